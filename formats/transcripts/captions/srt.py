"""SubRip, and what is like it: times with an arrow, a number above them or none, and text below."""

from itertools import islice
from typing import Final

from formats.notes import Notes
from formats.transcripts.captions.captions import cues_of, parsed
from formats.transcripts.captions.cues import Grammar, is_blank, number_of
from formats.transcripts.captions.segments import is_header
from formats.transcripts.captions.times import arrow_times, broken_times
from formats.transcripts.pieces import Content, Parsed, TranscriptFormat

GRAMMAR: Final = Grammar(arrow_times, broken_times, numbered=True, identified=False)
_LOOKED_AT: Final = 200
_PREAMBLE: Final = 12
"""So many lines may stand before the first times of a file that is still told to be SubRip."""


def _recognizes(content: Content) -> bool:
    """Whether times of two digits each stand at the beginning; those of one (`0:0:3.1 --> 0:0:5.2`) are Teams' own."""
    written = [line for line in islice(content.lines, _LOOKED_AT) if not is_blank(line)]
    times = [(place, found) for place, line in enumerate(written) if (found := arrow_times(line)) is not None]
    if not times or is_header(written[0]) or not all(found.padded for _, found in times):
        return False
    place, first = times[0]
    if place == 0:
        return True
    return place < _PREAMBLE and not first.rest and number_of(written[place - 1]) is not None


def _read(content: Content) -> Parsed:
    """Raises BadTranscript where no line is the times of a cue though some have words."""
    notes = Notes()
    cues = cues_of(content, GRAMMAR, notes, "00:00:01,000 --> 00:00:04,000")
    return parsed(cues, notes)


FORMAT: Final = TranscriptFormat("srt", _recognizes, _read)
