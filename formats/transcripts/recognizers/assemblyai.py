"""AssemblyAI's transcripts: utterances, else sentences or words with speakers, else the text alone."""

from typing import Any, Final

from formats.errors import BadTranscript
from formats.notes import Notes
from formats.transcripts.pieces import Content, Parsed, Piece, TranscriptFormat
from formats.transcripts.recognizers.entries import (
    Fields,
    first_of,
    objects_of,
    parsed,
    quoted_message,
    seconds,
    spoken_in,
    text_in,
    value_of,
)
from formats.transcripts.recognizers.words import Word, by_speaker, piece_of

_STATES: Final = ("queued", "processing", "completed", "error")
_LISTS: Final = ("utterances", "sentences", "paragraphs")
_MILLISECONDS: Final = 1000.0


def _recognizes(content: Content) -> bool:
    value = content.json
    if not isinstance(value, dict):
        return False
    if value.get("status") in _STATES and isinstance(value.get("id"), str):
        return bool({"utterances", "words", "audio_url", "error"} & value.keys())
    return any(_is_utterance(entry) for name in _LISTS for entry in first_of(value.get(name)))


def _is_utterance(entry: Fields) -> bool:
    return (
        isinstance(entry.get("text"), str)
        and isinstance(entry.get("start"), int)
        and isinstance(entry.get("end"), int)
        and (isinstance(entry.get("words"), list) or "confidence" in entry)
    )


def _read(content: Content) -> Parsed:
    value = value_of(content, "AssemblyAI")
    if not isinstance(value, dict):
        raise BadTranscript("it is not the JSON object that AssemblyAI answers with")
    if value.get("status") == "error" or (text_in(value, "error") and not text_in(value, "text")):
        raise BadTranscript(f"AssemblyAI did not transcribe it: {quoted_message(text_in(value, 'error'))}")
    if not {*_LISTS, "words", "text", "status"} & value.keys():
        raise BadTranscript("it has neither `utterances` nor `words` nor a `text`, in which AssemblyAI writes speech")
    notes = Notes()
    pieces = _pieces(value, notes)
    if not pieces and value.get("status") in ("queued", "processing"):
        raise BadTranscript(
            f"AssemblyAI is not done: its status is `{value['status']}`; fetch it when it is `completed`"
        )
    return parsed(pieces, notes)


def _pieces(value: Fields, notes: Notes) -> list[Piece]:
    words = _words(value, notes)
    told = any(word.speaker is not None for word in words)
    for name in _LISTS:
        entries = list(objects_of(value.get(name), name, notes))
        if entries and (name == "utterances" or not told):
            return [
                Piece(text, number, _speaker(entry), _time(entry.get("start")), _time(entry.get("end")))
                for number, entry in entries
                if (text := spoken_in(entry, number, notes, "text"))
            ]
    if told:
        return [piece_of(group) for group in by_speaker(words)]
    text = text_in(value, "text")
    if not text:
        return [piece_of(words)] if words else []
    return [piece_of(words, text) if words else Piece(text, 1)]


def _words(value: Fields, notes: Notes) -> list[Word]:
    return [
        Word(text, number, _speaker(word), _time(word.get("start")), _time(word.get("end")))
        for number, word in objects_of(value.get("words"), "words", notes)
        if (text := text_in(word, "text", "word"))
    ]


def _speaker(entry: Fields) -> str | None:
    return text_in(entry, "speaker") or None


def _time(value: Any) -> float | None:
    return seconds(value, _MILLISECONDS)


FORMAT: Final = TranscriptFormat("assemblyai", _recognizes, _read)
