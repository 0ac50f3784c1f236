"""WebVTT, as browsers, meeting programs and video sites write it, and as segments of a stream are joined."""

from collections.abc import Sequence
from typing import Final

from formats.errors import BadTranscript
from formats.notes import Notes
from formats.transcripts.captions import segments
from formats.transcripts.captions.captions import parsed
from formats.transcripts.captions.cues import Cues, Grammar, is_blank
from formats.transcripts.captions.times import arrow_times, broken_times
from formats.transcripts.pieces import Content, Parsed, TranscriptFormat

GRAMMAR: Final = Grammar(arrow_times, broken_times, numbered=True, identified=True)


def _recognizes(content: Content) -> bool:
    first = _first_written(content.lines)
    return first is not None and segments.is_header(content.lines[first])


def _read(content: Content) -> Parsed:
    """Raises BadTranscript where no line is the times of a cue though others have words."""
    lines = content.lines
    notes = Notes()
    found = Cues(lines, GRAMMAR, notes)
    parts, aside = segments.blocks(lines, found.times.keys())
    first = _first_written(lines)
    if first is None:
        return Parsed("cues", False, (), notes)
    if not parts or parts[0].header != first:
        if not found.times:
            raise BadTranscript(
                f"line {first + 1} is not `WEBVTT`, with which every WebVTT file begins; name its `format`", first + 1
            )
        notes.say("the file does not begin with `WEBVTT`; it was read by its times", line=first + 1)
    if not found.times:
        for index, line in enumerate(lines):
            if index not in aside and not is_blank(line):
                raise BadTranscript(
                    f"line {index + 1} begins neither a cue (its times are as in `00:01.000 --> 00:04.000`) nor a "
                    "comment, and there is no cue in the file; give each cue its times",
                    index + 1,
                )
    return parsed(segments.joined(found.read(aside), parts, notes), notes)


def _first_written(lines: Sequence[str]) -> int | None:
    return next((index for index, line in enumerate(lines) if not is_blank(line)), None)


FORMAT: Final = TranscriptFormat("webvtt", _recognizes, _read)
