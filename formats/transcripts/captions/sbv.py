"""SBV, YouTube's own: a line of two times with a comma between, the text below, and an empty line."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from formats.errors import BadTranscript
from formats.notes import Notes
from formats.transcripts.captions.captions import parsed
from formats.transcripts.captions.cues import Cue, Cues, Grammar, is_blank
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
    found = Cues(content.lines, GRAMMAR, notes)
    if not found.times:
        for number, line in enumerate(content.lines, start=1):
            if not is_blank(line):
                raise BadTranscript(
                    f"line {number} does not begin a cue, and no line does: a cue's times are as in "
                    "`0:00:01.000,0:00:04.000`; name the `format` that the transcript has",
                    number,
                )
    return parsed([_on_lines(cue) for cue in found.read()], notes)


def _on_lines(cue: Cue) -> Cue:
    text: Sequence[str] = [line.replace(_BREAK, "<br>") for line in cue.text]
    return replace(cue, text=text)


FORMAT: Final = TranscriptFormat("sbv", _recognizes, _read)
