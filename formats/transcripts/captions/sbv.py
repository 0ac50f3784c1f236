"""SBV, YouTube's own: a line of two times with a comma between, the text below, and an empty line."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from formats.notes import Notes
from formats.transcripts.captions.captions import cues_of, parsed
from formats.transcripts.captions.cues import Cue, Grammar, is_blank
from formats.transcripts.captions.times import sbv_times
from formats.transcripts.pieces import Content, Parsed, TranscriptFormat

GRAMMAR: Final = Grammar(sbv_times, None, numbered=False, identified=False)
_BREAK: Final = "[br]"
"""How it writes the end of a line inside a cue, where all of a cue stands on one line."""


def _recognizes(content: Content) -> bool:
    first = next((line for line in content.lines if not is_blank(line)), "")
    found = sbv_times(first.strip().strip("\ufeff"))
    return found is not None and not found.rest


def _read(content: Content) -> Parsed:
    """Raises BadTranscript where no line is the times of a cue though some have words."""
    notes = Notes()
    cues = cues_of(content, GRAMMAR, notes, "0:00:01.000,0:00:04.000")
    return parsed([_on_lines(cue) for cue in cues], notes)


def _on_lines(cue: Cue) -> Cue:
    text: Sequence[str] = [line.replace(_BREAK, "<br>") for line in cue.text]
    return replace(cue, text=text)


FORMAT: Final = TranscriptFormat("sbv", _recognizes, _read)
