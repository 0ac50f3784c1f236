"""WebVTT files that were joined: HLS segments, each with a header, and cues that stand in two of them."""

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final

from formats.notes import Notes
from formats.transcripts.captions.cues import Cue, is_blank
from formats.transcripts.captions.times import clock_seconds

_HEADER: Final = re.compile(r"\ufeff?WEBVTT(?:[ \t]|$)")
_HEADER_INSIDE: Final = re.compile(r"\ufeff?WEBVTT[ \t]*(?:- .*)?")
"""Inside a file, where `WEBVTT is a format` is speech."""
_METADATA: Final = re.compile(r"X-TIMESTAMP-MAP|(?:Kind|Language|Style|Region):", re.IGNORECASE)
_BLOCK: Final = re.compile(r"NOTE(?:[ \t]|$)|(?:STYLE|REGION)[ \t]*$|X-TIMESTAMP-MAP=")
_CLOCK_COUNT: Final = re.compile(r"MPEGTS:(\d{1,20})")
_LOCAL: Final = re.compile(r"LOCAL:([\d:.]{1,20})")
_TICKS: Final = 90_000
_TURN: Final = 2**33
"""At so many ticks the clock of a stream begins anew."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One of the joined files: the index of its header, and what must be added to its times, in seconds."""

    header: int
    offset: float


def is_header(line: str) -> bool:
    """Whether a line is the first of a WebVTT file."""
    return _HEADER.match(line) is not None


def blocks(lines: Sequence[str], times: AbstractSet[int]) -> tuple[list[Segment], set[int]]:
    """The files that are joined, and the indices of the lines of their headers, comments, styles and regions.

    Each goes on to the next empty line or line of times.
    """
    headers: list[tuple[int, float | None]] = []
    aside: set[int] = set()
    inside = written = False
    for index, line in enumerate(lines):
        if index in times or is_blank(line):
            inside = False
        elif is_header(line) and (not written or _opens_file(lines, index, times)):
            inside = True
            headers.append((index, None))
        elif not inside and _BLOCK.match(line) and _is_alone(lines, index, times):
            inside = True
        written = written or not is_blank(line)
        if inside:
            aside.add(index)
            if headers and line.startswith("X-TIMESTAMP-MAP"):
                headers[-1] = (headers[-1][0], _clock(line))
    return _with_offsets(headers), aside


def _opens_file(lines: Sequence[str], index: int, times: AbstractSet[int]) -> bool:
    """Whether a line that has the shape of a header is one, inside a file."""
    line = lines[index]
    after = lines[index + 1] if index + 1 < len(lines) else ""
    if line.startswith("\ufeff") or _METADATA.match(after):
        return True
    if _HEADER_INSIDE.fullmatch(line) is None:
        return False
    # files are joined without an empty line between, too
    return _is_alone(lines, index, times) or (index - 1 not in times and is_blank(after))


def _is_alone(lines: Sequence[str], index: int, times: AbstractSet[int]) -> bool:
    """Whether a block may begin at the line: an empty line stands above, and not the times above that."""
    return index == 0 or (is_blank(lines[index - 1]) and (not lines[index - 1] or index - 2 not in times))


def _clock(line: str) -> float | None:
    """The seconds of a stream's clock at which a file's times begin."""
    count, local = _CLOCK_COUNT.search(line), _LOCAL.search(line)
    began = clock_seconds(local[1]) if local else None
    return None if count is None or began is None else int(count[1]) % _TURN / _TICKS - began


def _with_offsets(headers: Sequence[tuple[int, float | None]]) -> list[Segment]:
    """The segments on the times of the first."""
    base = headers[0][1] if headers else None
    segments = []
    for index, clock in headers:
        offset = 0.0 if clock is None or base is None else clock - base
        turn = _TURN / _TICKS
        segments.append(Segment(index, round((offset + turn / 2) % turn - turn / 2, 6)))
    return segments


def joined(cues: Sequence[Cue], segments: Sequence[Segment], notes: Notes) -> list[Cue]:
    """The cues on one clock, without those that go on from one segment into the next and stand in both."""
    for segment in segments[1:]:
        notes.say("another `WEBVTT` begins inside the file; what is joined was read as one", line=segment.header + 1)
    kept: list[Cue] = []
    earlier: Mapping[str, int] = {}
    here: dict[str, int] = {}
    place = 0
    for cue in cues:
        while place + 1 < len(segments) and segments[place + 1].header < cue.line:
            place += 1
            earlier, here = here, {}
        if place < len(segments) and segments[place].offset:
            cue = _moved(cue, segments[place].offset)
        text = " ".join(" ".join(cue.text).split())
        same = earlier.get(text)
        if text and same is not None and _goes_on(kept[same], cue):
            notes.say("a cue goes on from one joined segment into the next and was read once", line=cue.line)
            kept[same] = replace(kept[same], end=max(kept[same].end or 0.0, cue.end or 0.0))
            here[text] = same
            continue
        here[text] = len(kept)
        kept.append(cue)
    return kept


def _moved(cue: Cue, offset: float) -> Cue:
    start, end = (None if time is None else round(time + offset, 6) for time in (cue.start, cue.end))
    return replace(cue, start=start, end=end)


def _goes_on(before: Cue, after: Cue) -> bool:
    """Whether two cues of the same text overlap in time, or the one begins where the other ends."""
    if before.start is None or before.end is None or after.start is None:
        return False
    return before.start <= after.start <= before.end + 0.01
