"""Whisper's files: the JSON of OpenAI's program, whisper.cpp, WhisperX and others of its kin, and its TSV."""

import re
from collections.abc import Sequence
from typing import Any, Final

from formats.errors import BadTranscript
from formats.notes import Notes
from formats.transcripts.pieces import Content, Parsed, Piece, TranscriptFormat
from formats.transcripts.recognizers.entries import (
    Fields,
    fields_in,
    first_of,
    parsed,
    seconds,
    spoken_in,
    text_in,
    value_of,
)
from formats.transcripts.recognizers.openai import is_openai
from formats.transcripts.recognizers.segments import read_segments, span_of

_LISTS: Final = ("turnLevelTranscription", "segments", "transcription", "speakers", "chunks")
"""Under which names the segments stand; the first with any is read."""
_AROUND: Final = ("output", "result")
"""What services that run the program put around its answer."""
_OTHERS: Final = frozenset({"conversation_id", "reply_to", "role", "content", "turns", "messages"})
"""Fields of tables of utterances and of chats, which no segment has."""
_TABLE: Final = re.compile(r"start\tend\ttext\s*")


def _recognizes(content: Content) -> bool:
    if _TABLE.fullmatch(content.text[:40].partition("\n")[0]):
        return True
    value = content.json
    if value is None or is_openai(value):
        return False
    if isinstance(value, list):
        return len(first_of(value, 20)) == len(value[:20]) > 0 and all(map(_is_segment, value[:20]))
    name, segments = _segments(value)
    if segments:
        return any(map(_is_segment, first_of(segments)))
    return name == "segments" and isinstance(value.get("text"), str) and "language" in value


def _is_segment(entry: Fields) -> bool:
    """Whether it is a text with its times, or with what else only a recognizer writes."""
    if not isinstance(entry.get("text"), str) or _OTHERS & entry.keys():
        return False
    timed = isinstance(entry.get("timestamp"), list) or bool(
        fields_in(entry, "offsets") or fields_in(entry, "timestamps")
    )
    return timed or ({"start", "end"} <= entry.keys() and any(time is not None for time in span_of(entry)))


def _segments(value: Any) -> tuple[str, Sequence[Any]]:
    """The list of segments and its name; an empty one where there is none."""
    if isinstance(value, list):
        return "the list", value
    found = ""
    around = [value, *(fields_in(value, key) for key in _AROUND)]
    for fields in around:
        for name in _LISTS:
            entries = fields.get(name) if isinstance(fields, dict) else None
            if isinstance(entries, list):
                found = found or name
                if entries:
                    return name, entries
    return found, []


def _read(content: Content) -> Parsed:
    if content.json is None and _TABLE.fullmatch(content.text[:40].partition("\n")[0]):
        return _read_table(content)
    value = value_of(content, "Whisper")
    notes = Notes()
    name, segments = _segments(value)
    text = text_in(value, "text") if isinstance(value, dict) else ""
    if not segments and text:
        return parsed([Piece(text, 1)], notes)
    if not name:
        raise BadTranscript("it has no list `segments` (or `transcription`, `chunks`), in which Whisper writes speech")
    return parsed(read_segments(segments, name, notes), notes)


def _read_table(content: Content) -> Parsed:
    """Whisper's TSV: start and end in milliseconds, and the text."""
    notes = Notes()
    pieces: list[Piece] = []
    for number, line in enumerate(content.lines[1:], start=2):
        start, _, rest = line.partition("\t")
        end, tab, text = rest.partition("\t")
        if not line.strip():
            continue
        if not tab:
            notes.say("rows without a start, an end and a text are left out", line=number)
        elif text := spoken_in({"text": text}, number, notes, "text"):
            pieces.append(Piece(text, number, None, seconds(start, 1000), seconds(end, 1000)))
    return parsed(pieces, notes)


FORMAT: Final = TranscriptFormat("whisper", _recognizes, _read)
