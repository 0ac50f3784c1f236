"""Rolling captions: a line that stays on the screen while the next one comes is written again in every cue.

Speech is told from repetition by the whole file, since people do say things twice. How a cue follows the one before:

- it *rolls*: it begins with the last lines of the cue before, and new lines follow (roll-up captions of any height);
- it *stays*: all of it are the last lines of the cue before;
- it *grows*: the last line of the cue before has more words, or letters, at its end (captions that are painted on);
- else it is *new*.

Evidence for rolling is a cue that rolls, where the last repeated line was never shown before it came to stay (each
repeated line counts); one that stays for less than a tenth of a second, or after a new one that was so brief (which is
conclusive and counts as four); one that stays and in which only other words are marked; one that grows at once and by
words that it did not have. So a refrain is none: its lines were shown before, it stays for long, it grows by its own
words. Captions roll where there are two pieces of evidence and at least half of the cues that follow another closely
are such. In a file of several kinds those do between which nothing else stands, where four pieces of evidence come
together, or a line grows twice that was no sentence.

Where captions roll, what is repeated is left out, and a cue that grows is one with what it grows from. Kept is what
must have been said again: a line that is shown twice at once (`No, no.` rolls up, and below it `No, no.` comes), one
that stays alone for as long as speech takes, one whose words have times of their own, and one below an empty row.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import pairwise
from typing import Final

from formats.notes import Notes
from formats.transcripts.captions.markup import Shown
from formats.transcripts.captions.screen import Caption, on_two_lines, once

SHARE: Final = 0.5
RUN: Final = 4
HIGHEST: Final = 15
"""Lines on a screen, at most."""
_WORD: Final = re.compile(r"\w+")
_SENTENCE_END: Final = ".?!…。？！"
_TAG: Final = re.compile(r"<[^<>]*>")


class _Change(Enum):
    NEW = auto()
    ROLLS = auto()
    STAYS = auto()
    GROWS = auto()


@dataclass(frozen=True, slots=True)
class _Step:
    """How a caption follows the one before.

    `repeated` is how many of its first lines that one shows, in one that grows those above the line that does.
    `evidence` is that of rolling. `joins` says that one of the two is too brief to be said, `marks` that other words
    are marked, `paints` that a line grows that was no sentence.
    """

    change: _Change
    near: bool = False
    repeated: int = 0
    evidence: int = 0
    joins: bool = False
    marks: bool = False
    paints: bool = False


@dataclass(slots=True)
class _Kept:
    """A caption of which lines are kept, and its end, later where it grows."""

    caption: Caption
    lines: list[Shown]
    end: float | None


def without_repeats(captions: Sequence[Caption], notes: Notes) -> list[Caption]:
    """The captions without what they repeat because captions roll; how much that is, is noted."""
    shown = list(on_two_lines(once([caption for caption in captions if caption.lines], notes)))
    steps = list(_steps(shown))
    rolling = _rolling(steps)
    if not any(rolling):
        _note_doubtful(shown, steps, notes)
        return shown
    grows = sum(step.evidence for step in steps if step.change is _Change.GROWS) > 1
    marks = sum(step.marks for step in steps) > 1
    kept = [_Kept(caption, list(caption.lines), caption.end) for caption in shown[:1]]
    for (before, caption), step, rolls in zip(pairwise(shown), steps, rolling, strict=True):
        lines = list(caption.lines)
        if rolls and step.change is _Change.ROLLS:
            lines = lines[step.repeated :]
        elif rolls and step.change is _Change.GROWS and grows:
            last = kept[-1].lines[-1]
            kept[-1].lines[-1] = replace(last, text=lines[step.repeated].text)
            kept[-1].end = caption.end
            lines = lines[step.repeated + 1 :]
        elif rolls and step.change is _Change.STAYS:
            lines = [] if step.joins else _said_again(before, caption, grows, marks)
            if not lines and (marks or (step.joins and not caption.brief)):
                kept[-1].end = caption.end
        if lines:
            kept.append(_Kept(caption, lines, caption.end))
    dropped = sum(len(caption.lines) for caption in shown) - sum(len(each.lines) for each in kept)
    if dropped:
        notes.say(f"rolling captions: {dropped} repeated {'line' if dropped == 1 else 'lines'} left out")
    return [replace(each.caption, lines=each.lines, end=each.end) for each in kept]


def _steps(captions: Sequence[Caption]) -> Iterator[_Step]:
    """How each caption follows the one before, from the second on."""
    first: dict[tuple[str | None, str], int] = {}
    since: list[int] = []  # the caption with which each line came that is shown now
    was = _Change.NEW
    for place, after in enumerate(captions):
        before = captions[place - 1] if place else None
        later = after.keys
        step = _Step(_Change.NEW)
        if before is not None:
            change, repeated = _changed(before, after)
            place_before = len(since) - repeated - (change is _Change.GROWS)
            since = since[place_before : place_before + repeated] + [place] * (len(later) - repeated)
            step = _Step(change, after.near(before), repeated)
            if change is _Change.ROLLS and first[later[repeated - 1]] == since[repeated - 1]:
                step = replace(step, evidence=repeated)
            elif change is _Change.STAYS:
                marks = after.at_once(before) and _marked_within(before, after)
                joins = after.brief or (before.brief and was is _Change.NEW and after.at_once(before))
                step = replace(step, evidence=RUN if joins else int(marks), joins=joins, marks=marks)
            elif change is _Change.GROWS and later[repeated] not in first:
                partial = before.lines[-1].text
                evident = _grows_by_new_words(partial, later[repeated][1])
                step = replace(step, evidence=int(evident), paints=evident and partial[-1] not in _SENTENCE_END)
            was = change
            yield step
        else:
            since = [0] * len(later)
        for key in later:
            first.setdefault(key, place)


def _changed(before: Caption, after: Caption) -> tuple[_Change, int]:
    """What becomes of a caption, and how many lines of the next it has, from the first on."""
    if (after.below and not before.below) or not after.near(before):
        return _Change.NEW, 0
    earlier, later = before.keys, after.keys
    for lines in range(min(len(earlier), len(later), HIGHEST), 0, -1):
        if earlier[-lines:] == later[:lines]:
            return (_Change.STAYS if lines == len(later) else _Change.ROLLS), lines
    if after.at_once(before):
        speaker, partial = earlier[-1]
        for above in range(min(len(earlier), len(later), HIGHEST) - 1, -1, -1):
            says, whole = later[above]
            grown = says == speaker and len(whole) > len(partial) and whole.startswith(partial)
            if grown and (above == 0 or earlier[-above - 1 : -1] == later[:above]):
                return _Change.GROWS, above
    return _Change.NEW, 0


def _rolling(steps: Sequence[_Step]) -> list[bool]:
    """At which steps captions roll."""
    near = sum(step.near for step in steps)
    proven = sum(step.evidence > 0 for step in steps)
    if sum(step.evidence for step in steps) > 1 and proven >= SHARE * near:
        return [True] * len(steps)
    rolling = [False] * len(steps)
    begin = 0
    for place, step in enumerate([*steps, _Step(_Change.NEW)]):
        grown = place > begin and step.change is _Change.STAYS and steps[place - 1].change is _Change.GROWS
        if step.evidence or grown:
            continue
        together = steps[begin:place]
        if sum(step.evidence for step in together) >= RUN or sum(step.paints for step in together) > 1:
            rolling[begin:place] = [True] * (place - begin)
        begin = place + 1
    return rolling


def _said_again(before: Caption, after: Caption, grows: bool, marks: bool) -> list[Shown]:
    """Which lines of a caption that shows nothing but lines of the one before were said again.

    `grows` and `marks` say that the file has captions that grow, or in which the word is marked that is said.
    """
    if not after.at_once(before):
        return list(after.lines)
    timed = next((place for place, line in enumerate(after.lines) if line.timed), None)
    if timed is not None:
        return list(after.lines[timed:])
    if grows or len(before.lines) > len(after.lines) or (marks and before.marked != after.marked):
        return []
    return list(after.lines[-1:]) if len(set(after.keys)) == 1 else []


def _note_doubtful(captions: Sequence[Caption], steps: Sequence[_Step], notes: Notes) -> None:
    for caption, step in zip(captions[1:], steps, strict=True):
        if step.change is _Change.ROLLS and step.evidence:
            notes.say(
                "a cue begins with the last line of the cue before; these captions do not roll, so it was said twice",
                line=caption.lines[0].number,
            )


def _marked_within(before: Caption, after: Caption) -> bool:
    """Whether the same words differ in what is marked among them, as the word is that is said at the moment."""
    if before.marked == after.marked or len(before.lines) != len(after.lines):
        return False
    return any(
        sum(not text.isspace() and text != "" for text in _TAG.split(each.marked)) > 1 for each in (before, after)
    )


def _grows_by_new_words(partial: str, whole: str) -> bool:
    """Whether what is added is more than the same words again, as in `no` and `no, no`."""
    return not set(_WORD.findall(whole[len(partial) :].casefold())) <= set(_WORD.findall(partial.casefold()))
