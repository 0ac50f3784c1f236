"""What is on the screen while a cue is shown."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from formats.notes import Notes
from formats.transcripts.captions.markup import Shown

CLOSE: Final = 5.0
"""Seconds between two cues after which the screen was surely cleared."""
AT_ONCE: Final = 0.5
"""Seconds between two cues of which one takes the other's place."""
BRIEF: Final = 0.1
"""Seconds in which nothing can be said: such a cue joins two others."""


@dataclass(frozen=True, slots=True)
class Caption:
    """What a cue shows. `below` says that its first row is empty, `marked` is its text with tags."""

    start: float | None
    end: float | None
    lines: Sequence[Shown]
    below: bool = False
    marked: str = ""

    @property
    def keys(self) -> list[tuple[str | None, str]]:
        """By what lines are the same."""
        return [(line.speaker, line.text) for line in self.lines]

    @property
    def brief(self) -> bool:
        """Whether it is shown for too short a time to be said; without any time it was not timed at all."""
        return self.start is not None and self.end is not None and 0 < self.end - self.start <= BRIEF

    def near(self, before: "Caption") -> bool:
        """Whether lines of the caption before may still be shown; they may where times are not known."""
        if before.start is None or before.end is None or self.start is None:
            return True
        return before.start <= self.start <= before.end + CLOSE

    def at_once(self, before: "Caption") -> bool:
        """Whether it takes the place of the caption before."""
        return before.end is None or self.start is None or self.start <= before.end + AT_ONCE


def once(captions: Sequence[Caption], notes: Notes) -> Iterator[Caption]:
    """The captions without those that are the same as the one before, times and all: shown in two layers."""
    before: Caption | None = None
    for caption in captions:
        same = before is not None and (before.start, before.end) == (caption.start, caption.end)
        if before is not None and same and before.keys == caption.keys and (before.end or 0.0) > (before.start or 0.0):
            notes.say("a cue stands twice with the same times and was read once", line=caption.lines[0].number)
            continue
        yield caption
        before = caption


def on_two_lines(captions: Iterable[Caption]) -> Iterator[Caption]:
    """The captions; where a tool wrote rolling lines one behind the other, they are lines again.

    It shows at a brief cue of one line, with which the cue before ends and the one after begins.
    """
    before = held = ""
    for caption in captions:
        alone = caption.lines[0] if len(caption.lines) == 1 else None
        after = alone.text[len(held) :] if alone is not None and held and alone.text.startswith(held + " ") else ""
        text = "" if alone is None else alone.text
        held = text if caption.brief and (before == text or before.endswith(" " + text)) else ""
        before = text
        if alone is not None and after:
            rolled = replace(alone, text=alone.text[: -len(after)])
            caption = replace(caption, lines=(rolled, replace(alone, text=after.strip())))
        yield caption
