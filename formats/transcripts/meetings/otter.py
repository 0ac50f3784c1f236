"""Otter's export as text: a name and a time, and below them what was said; also without names."""

import re
from typing import Final

from formats.errors import BadTranscript
from formats.notes import Notes
from formats.transcripts.meetings.headings import are_spoken_below, headings, paragraphs
from formats.transcripts.pieces import Content, Parsed, TranscriptFormat

_FOOTER: Final = re.compile(r"transcribed by https?://otter\.ai/?", re.IGNORECASE)


def _recognizes(content: Content) -> bool:
    found = headings(content.lines)
    if not found or not are_spoken_below(found, content.lines):
        return False
    first = next(index for index, line in enumerate(content.lines) if line.strip())
    footer = any(_is_footer(line) for line in content.lines[-20:])
    if all(heading.name is None for heading in found):
        return found[0].index == first and (footer or len(found) > 2)
    return footer or found[0].index == first or len(found) > 1


def _read(content: Content) -> Parsed:
    found = headings(content.lines)
    if not found:
        raise BadTranscript("no line has a name and a time as Otter writes them: `Mira Holt  0:05`", 1)
    notes = Notes()
    pieces = list(paragraphs(content.lines, found, _is_footer, notes))
    return Parsed("cues", any(piece.speaker is not None for piece in pieces), pieces, notes)


def _is_footer(line: str) -> bool:
    return _FOOTER.fullmatch(line.strip()) is not None


FORMAT: Final = TranscriptFormat("otter", _recognizes, _read)
