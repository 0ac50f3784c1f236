"""OpenAI's answers to a transcription: `diarized_json` with speakers, `verbose_json` and `json` without."""

from typing import Any, Final

from formats.errors import BadTranscript
from formats.notes import Notes
from formats.transcripts.pieces import Content, Parsed, Piece, TranscriptFormat
from formats.transcripts.recognizers.entries import (
    Fields,
    fields_in,
    first_of,
    parsed,
    quoted_message,
    text_in,
    value_of,
)
from formats.transcripts.recognizers.segments import read_segments

_TASKS: Final = ("transcribe", "translate")
_USAGE: Final = frozenset({"seconds", "total_tokens", "input_tokens", "audio_seconds"})


def is_openai(value: Any) -> bool:
    """Whether a JSON value is such an answer. Whisper's own file has neither a task with a duration nor a usage."""
    if not isinstance(value, dict) or "choices" in value:
        return False
    if any(map(_is_diarized, first_of(value.get("segments")))):
        return True
    if not isinstance(value.get("text"), str):
        return False
    asked = value.get("task") in _TASKS and isinstance(value.get("duration"), int | float | str)
    return asked or bool(_USAGE & fields_in(value, "usage").keys())


def _is_diarized(entry: Fields) -> bool:
    if not isinstance(entry.get("text"), str):
        return False
    return entry.get("type") == "transcript.text.segment" or (
        isinstance(entry.get("id"), str) and entry["id"].startswith("seg_") and isinstance(entry.get("speaker"), str)
    )


def _recognizes(content: Content) -> bool:
    return is_openai(content.json)


def _read(content: Content) -> Parsed:
    value = value_of(content, "OpenAI")
    if not isinstance(value, dict):
        raise BadTranscript("it is not the JSON object that OpenAI answers with")
    segments = value.get("segments")
    notes = Notes()
    if isinstance(segments, list) and segments:
        return parsed(read_segments(segments, "segments", notes), notes)
    text = text_in(value, "text")
    if text:
        return parsed([Piece(text, 1)], notes)
    failure = text_in(fields_in(value, "error"), "message")
    if failure:
        raise BadTranscript(f"OpenAI did not transcribe it: {quoted_message(failure)}")
    raise BadTranscript("it has neither `segments` nor a `text`, in which OpenAI writes speech")


FORMAT: Final = TranscriptFormat("openai", _recognizes, _read)
