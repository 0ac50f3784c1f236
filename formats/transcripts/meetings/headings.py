"""Paragraphs below headings of a name and a time (`Mira Holt  0:05`), as Otter and Teams write them."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from formats.notes import Notes
from formats.transcripts.names import folded, is_clause
from formats.transcripts.pieces import Piece
from formats.transcripts.stamps import is_time_or_number, read_stamp

_TIME_LAST: Final = re.compile(r"[\[(]?(\d{1,3}:\d{2}(?::\d{2})?)[\])]?$")
_STARS: Final = "*_# \t\u00a0\u202f"
_MOST_NAME: Final = 200
_MOST_WORDS: Final = 6
"""Of a name behind which one blank stands before the time."""
_SENTENCE_END: Final = (".", ",", "!", "?", ";", ":", "…")
_BEFORE_TIMES: Final = frozenset(
    {"at", "after", "about", "around", "before", "by", "from", "is", "of", "since", "until"}
)
"""Words behind which a time is part of a sentence."""
_WIDE: Final = 2


@dataclass(frozen=True, slots=True)
class Heading:
    """A line of a name (None where the line is a time alone) and seconds; `gap` is how many blanks stand between."""

    index: int
    name: str | None
    seconds: float
    gap: int


def headings(lines: Sequence[str]) -> list[Heading]:
    """The headings of a text: those with a gap wide enough to be none of a sentence, else those with one blank.

    Without any name, times alone are headings.
    """
    found = [heading for index, line in enumerate(lines) if (heading := _heading(index, line)) is not None]
    named = [heading for heading in found if heading.name is not None]
    wide = [heading for heading in named if heading.gap >= _WIDE]
    if wide:
        return wide
    narrow = [heading for heading in named if _stands_apart(heading, lines)]
    if len(narrow) > 1 and all(before.seconds <= after.seconds for before, after in pairwise(narrow)):
        return narrow
    return [] if named else found


def are_spoken_below(found: Sequence[Heading], lines: Sequence[str]) -> bool:
    """Whether something stands below most of the headings, so that they are no table."""
    places = {heading.index for heading in found}
    below = 0
    for heading in found:
        after = next((place for place in range(heading.index + 1, len(lines)) if lines[place].strip()), None)
        below += after is not None and after not in places
    return below * 2 > len(found)


def paragraphs(
    lines: Sequence[str], found: Sequence[Heading], is_left_out: Callable[[str], bool], notes: Notes
) -> Iterator[Piece]:
    """What stands below each heading. Lines above the first, and those that are to be left out, are noted."""
    note_above(lines, found[0].index, notes)
    ends = [*(heading.index for heading in found[1:]), len(lines)]
    for heading, end in zip(found, ends, strict=True):
        said: list[str] = []
        for index in range(heading.index + 1, end):
            line = lines[index].strip()
            if line and is_left_out(line):
                notes.say("lines of the program itself, not of a speaker, are left out", line=index + 1)
            elif line:
                said.append(line)
        if said:
            yield Piece("\n".join(said), heading.index + 1, heading.name, heading.seconds)
        else:
            notes.say("a name with a time and nothing said below it is left out", line=heading.index + 1)


def note_above(lines: Sequence[str], first: int, notes: Notes) -> None:
    """Note the lines above the first that is read, by its index."""
    for index in range(first):
        if lines[index].strip():
            notes.say("what stands above the first speaker (a title, a date, a summary) is left out", line=index + 1)


def _heading(index: int, line: str) -> Heading | None:
    text = line.strip().strip(_STARS)
    time = _TIME_LAST.search(text[-12:])
    if time is None:
        return None
    stamp, _ = read_stamp(time[1])
    before = text[: len(text) - len(time[0])]
    bare = before.rstrip(_STARS)
    name = folded(bare)
    if stamp is None or stamp.clock is None or len(name) > _MOST_NAME:
        return None
    if not name:
        return None if before.strip() else Heading(index, None, stamp.clock.seconds, 0)
    blanks = before[len(bare) :].strip("*_#")
    if not blanks or is_time_or_number(name) or ": " in name:
        return None
    return Heading(index, name, stamp.clock.seconds, len(blanks) + blanks.count("\t"))


def _stands_apart(heading: Heading, lines: Sequence[str]) -> bool:
    """Whether a line with one blank before its time is a heading: below an empty line, short, and no sentence."""
    words = (heading.name or "").split()
    above = heading.index == 0 or not lines[heading.index - 1].strip()
    below = heading.index + 1 < len(lines) and bool(lines[heading.index + 1].strip())
    if not (above and below) or len(words) > _MOST_WORDS:
        return False
    last = words[-1]
    return not (last.endswith(_SENTENCE_END) or last.casefold() in _BEFORE_TIMES or is_clause(" ".join(words)))
