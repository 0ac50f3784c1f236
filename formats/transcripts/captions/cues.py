"""Finding cues: every line of times begins one, whatever stands around it.

Grammars end a cue at an empty line and begin it with a number; files keep to neither. What can be relied upon are the
times. So they are found first; what stands between the times of two cues is the text of the former, but for the
number or identifier of the latter.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from formats.notes import Notes, quoted
from formats.transcripts.captions.times import Times, are_cut, are_surely_cut

NAMED_NUMBER: Final = re.compile(r"\d{1,9}\s{1,5}\"(.+)\"(?:\s{1,5}\(\d{0,40}\))?")
"""An identifier of a number and a name: `1 "Ana Lee" (123456)`."""
_NUMBER: Final = re.compile(r"[\s\ufeff]*(\d{1,9})[\s\ufeff]*")
_UNIQUE: Final = re.compile(r"[\da-fA-F]{8}(?:-[\da-fA-F]{4}){3}-[\da-fA-F]{12}\S*")
_WORD_WITH_DIGIT: Final = re.compile(r"[^\s\d]*\d\S*")
_CUT_TAG: Final = re.compile(r"</?(?:[cibuv]|lang|ruby|rt|font)(?:[\s.][^<>]{0,100})?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Grammar:
    """How a format's cues begin.

    `times` reads the line of times and `broken` one that can only be meant as such; `numbered` says that a number may
    stand above it, `identified` that any line may.
    """

    times: Callable[[str], Times | None]
    broken: Callable[[str], Times | None] | None
    numbered: bool
    identified: bool


@dataclass(frozen=True, slots=True)
class Cue:
    """A cue as it stands in a file. `line` is that of its times, from 1; `text` its lines, of which `first` is one.

    Lines of `text` that are none of speech (comments) are empty, so that each keeps its number.
    """

    line: int
    identifier: str
    start: float | None
    end: float | None
    text: Sequence[str]
    first: int


@dataclass(frozen=True, slots=True)
class _Head:
    """Where a cue begins: the index of its first line, the index of its times, and its identifier."""

    first: int
    times: int
    identifier: str = ""
    number: int | None = None


@dataclass(frozen=True, slots=True)
class _Around:
    """What is known of a cue's neighbours: the index of the times before it (-1 at the file's beginning) and numbers.

    `expected` are the numbers that would follow those of the cues before, `after` is what may be the next cue's number,
    `share` says how many of the cues have theirs where this one may have it.
    """

    before: int
    expected: range
    after: int | None
    share: float


def is_blank(line: str) -> bool:
    """Whether a line has nothing but white space."""
    return not line.strip().strip("\ufeff")


def number_of(line: str) -> int | None:
    """The number of which a line consists; None where it is none."""
    found = _NUMBER.fullmatch(line)
    return None if found is None else int(found[1])


class Cues:
    """The cues of a file's lines."""

    def __init__(self, lines: Sequence[str], grammar: Grammar, notes: Notes) -> None:
        self._lines = lines
        self._grammar = grammar
        self._notes = notes
        self._aside: AbstractSet[int] = frozenset()
        self.times: Mapping[int, Times] = self._found()
        """The times of each cue, by the index of their line, in order."""

    def read(self, aside: AbstractSet[int] = frozenset()) -> list[Cue]:
        """All cues, in order. `aside` are the indices of lines that are known to belong to none.

        Notes what stands before the first cue, and whatever could be read otherwise.
        """
        self._aside = aside
        heads = self._heads()
        for index in range(heads[0].first if heads else 0):
            if not self._blank(index):
                self._notes.say("this stands before the first cue and was left out", line=index + 1)
        ends = [head.first for head in heads[1:]] + [self._end(heads[-1])] if heads else []
        return [self._cue(head, end) for head, end in zip(heads, ends, strict=True)]

    def _found(self) -> dict[int, Times]:
        found: dict[int, Times] = {}
        for index, line in enumerate(self._lines):
            times = self._grammar.times(line)
            if times is None and self._grammar.broken is not None:
                broken = self._grammar.broken(line)
                times = broken if broken is not None and self._may_begin(index, found) else None
            if times is not None:
                found[index] = times
        return found

    def _may_begin(self, index: int, found: Mapping[int, Times]) -> bool:
        """Whether an empty line stands above, or a number or identifier that is not all of what a cue says."""
        above = self._lines[index - 1] if index else ""
        return is_blank(above) or (index - 2 not in found and (number_of(above) is not None or _is_tools(above)))

    def _heads(self) -> list[_Head]:
        order = list(self.times)
        above = [self._above(index, before) for before, index in zip([-1, *order], order, strict=False)]
        direct = sum(number is not None and near for number, near in above)
        apart = sum(number is not None and not near for number, near in above)
        heads: list[_Head] = []
        before, expected = -1, range(0)
        for place, index in enumerate(order):
            after = above[place + 1][0] if place + 1 < len(order) else None
            share = (direct if above[place][1] else apart) / len(order)
            heads.append(self._head(index, _Around(before, expected, after, share)))
            before, number = index, heads[-1].number
            if number is not None:
                expected = range(number + 1, number + 2)
            elif expected:  # the number that is missing may have been counted
                expected = range(expected.start, expected.stop + 1)
        return heads

    def _above(self, index: int, before: int) -> tuple[int | None, bool]:
        """The number that stands above the times at the index, and whether no empty line is between."""
        above = self._written(index - 1, before)
        number = number_of(self._lines[above]) if above > before and self._grammar.numbered else None
        return number, above == index - 1

    def _head(self, index: int, around: _Around) -> _Head:
        on_line = self.times[index].counter
        above = self._written(index - 1, around.before)
        bare = _Head(index, index, number=on_line)
        if above <= around.before or on_line is not None:
            return bare
        number, near = self._above(index, around.before)
        if number is not None:
            counts = self._counts(above, number, around) if near else self._counts_apart(number, around)
            return _Head(above, index, str(number), number) if counts else bare
        if near and self._grammar.identified and self._identifies(above, around.before):
            return _Head(above, index, self._lines[above].strip("\ufeff \t"))
        return bare

    def _counts(self, above: int, number: int, around: _Around) -> bool:
        """Whether a number right above the times is the cue's, and not the last thing said in the cue before."""
        alone = above == 0 or self._blank(above - 1)
        usual = self._grammar.identified or around.share >= 0.5
        if around.before < 0 or number in around.expected or around.after == number + 1 or (alone and usual):
            return True
        goes_on = around.after is not None and (around.after in around.expected or around.after - 1 in around.expected)
        is_counter = alone or (around.share > 0.5 and not goes_on)
        taken = "the cue's number" if is_counter else "speech"
        self._notes.say(f"a number between speech and the times of the next cue was read as {taken}", line=above + 1)
        return is_counter

    def _counts_apart(self, number: int, around: _Around) -> bool:
        """Whether a number above the times is the cue's though an empty line follows it, as it does every line."""
        return around.before < 0 or number in around.expected or (around.share > 0.5 and bool(around.expected))

    def _identifies(self, above: int, before: int) -> bool:
        """Whether a line right above the times is the cue's identifier, and not the last thing said."""
        line = self._lines[above].strip("\ufeff \t")
        if _is_tools(line):
            return True
        alone = above == 0 or self._blank(above - 1)
        if before >= 0 and (not alone or self._written(above - 1, before) == before):
            return False
        if _WORD_WITH_DIGIT.fullmatch(line) is None:
            self._notes.say("this stands right above a cue's times as its identifier and was left out", line=above + 1)
        return True

    def _cue(self, head: _Head, end: int) -> Cue:
        times = self.times[head.times]
        first = head.times + 1
        text = ["" if index in self._aside else self._lines[index] for index in range(first, end)]
        if end == len(self._lines) and text and _ends_in_tag(text[-1]):
            self._notes.say("the file ends inside a cue", line=end)
            text[-1] = text[-1][: text[-1].rindex("<")]
        if times.rest:
            self._notes.say("words behind a cue's times were read as its speech", line=first)
            text.insert(0, times.rest)
            first -= 1
        if not times.readable and (end < len(self._lines) or any(text)):
            as_written = quoted(self._lines[head.times])
            self._notes.say(f"the times of a cue cannot be read, so it has none: {as_written}", line=head.times + 1)
        self._note_gaps(text, first)
        return Cue(head.times + 1, head.identifier, times.start, times.end, text, first + 1)

    def _note_gaps(self, text: Sequence[str], first: int) -> None:
        """An empty line should end a cue. A line of blanks does not: it is an empty line on the screen."""
        spoken = gap = False
        for number, line in enumerate(text, first + 1):
            if not is_blank(line):
                if spoken and gap:
                    self._notes.say(
                        "an empty line stands inside a cue; what follows it was read as the cue's speech", line=number
                    )
                spoken, gap = True, False
            gap = gap or not line

    def _end(self, last: _Head) -> int:
        """The index behind the last cue. Where a file is cut off inside a cue, it is noted."""
        whole = len(self._lines)
        final = self._written(whole - 1, last.times)
        if final > last.times:
            cut = self._cut(last, final)
        else:  # a line of blanks shows an empty screen
            cut = None if self.times[last.times].rest or any(self._lines[last.times + 1 :]) else whole
        if cut is not None:
            self._notes.say("the file ends inside a cue", line=min(cut, final) + 1)
        return whole if cut is None else cut

    def _cut(self, last: _Head, final: int) -> int | None:
        """The index at which a cue begins that has not all of its times; None where there is none."""
        lines = self._lines
        if final - 1 > last.times and self._blank(final - 1):
            return final if self._opens(final, last) or are_surely_cut(lines[final]) else None
        if final - 2 > last.times and self._blank(final - 2) and self._opens(final - 1, last) and are_cut(lines[final]):
            return final - 1
        return None

    def _opens(self, index: int, last: _Head) -> bool:
        """Whether the line is what would stand above the times of the cue after the last."""
        if last.number is not None and self._grammar.numbered:
            return number_of(self._lines[index]) == last.number + 1
        return last.identifier != "" and _is_tools(self._lines[index].strip())

    def _blank(self, index: int) -> bool:
        return index in self._aside or is_blank(self._lines[index])

    def _written(self, index: int, before: int) -> int:
        """The index of the first line that is not empty, from the index upwards; `before` where there is none."""
        while index > before and self._blank(index):
            index -= 1
        return index


def _is_tools(line: str) -> bool:
    """Whether it is an identifier that only a tool writes."""
    return _UNIQUE.fullmatch(line) is not None or NAMED_NUMBER.fullmatch(line) is not None


def _ends_in_tag(line: str) -> bool:
    """Whether the last line of a file ends in the middle of a tag."""
    return "<" in line and _CUT_TAG.fullmatch(line[line.rindex("<") :]) is not None
