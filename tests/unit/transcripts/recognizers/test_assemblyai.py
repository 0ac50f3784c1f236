"""AssemblyAI's transcripts: utterances before words before the text, times in milliseconds, failures quoted."""

import json
from typing import Any

import pytest

from formats.errors import BadTranscript
from formats.transcripts.pieces import Content, Parsed
from formats.transcripts.read import read_transcript
from formats.transcripts.recognizers.assemblyai import FORMAT


def word(text: str, start: int, end: int, speaker: str | None = None) -> dict[str, Any]:
    return {"text": text, "start": start, "end": end, "confidence": 0.97, "speaker": speaker}


COMPLETED = {
    "id": "6f1a", "language_model": "assemblyai_default", "acoustic_model": "assemblyai_default", "status": "completed",
    "audio_url": "https://example.org/kiln.mp3", "text": "Is the glaze dry? Nearly. Good.", "error": None,
    "words": [
        word("Is", 500, 700, "A"), word("the", 700, 900, "A"), word("glaze", 900, 1400, "A"),
        word("dry?", 1400, 2100, "A"),
        word("Nearly.", 2400, 2900, "B"), word("Good.", 3500, 3912, "A"),
    ],
    "utterances": [
        {"speaker": "A", "text": "Is the glaze dry?", "start": 500, "end": 2100, "confidence": 0.9, "words": []},
        {"speaker": "B", "text": "Nearly.", "start": 2400, "end": 2900, "confidence": 0.9, "words": []},
        {"speaker": "A", "text": "Good.", "start": 3500, "end": 3912, "confidence": 0.9, "words": []},
    ],
    "speaker_labels": True,
}  # fmt: skip

TURNS = [("A", "Is the glaze dry?", 0.5, 2.1), ("B", "Nearly.", 2.4, 2.9), ("A", "Good.", 3.5, 3.912)]


def read(value: Any) -> Parsed:
    content = Content(json.dumps(value))
    assert FORMAT.recognizes(content)
    return FORMAT.read(content)


def said(parsed: Parsed) -> list[tuple[str | None, str, float | None, float | None]]:
    return [(piece.speaker, piece.text, piece.start, piece.end) for piece in parsed.pieces]


def test_utterances_have_speakers_and_milliseconds() -> None:
    parsed = read(COMPLETED)
    assert said(parsed) == TURNS
    assert (parsed.kind, parsed.named, list(parsed.notes.sentences())) == ("cues", True, [])


def test_without_utterances_the_words_of_one_speaker_stand_together() -> None:
    assert said(read(COMPLETED | {"utterances": None})) == TURNS


def test_channels_keep_the_names_that_they_have() -> None:
    utterances = [
        {"speaker": "1", "channel": "1", "text": "Dry?", "start": 0, "end": 500, "confidence": 0.9, "words": []},
        {"speaker": "2A", "channel": "2", "text": "Nearly.", "start": 900, "end": 1500, "confidence": 0.9, "words": []},
    ]
    parsed = read(COMPLETED | {"utterances": utterances, "audio_channels": 2})
    assert said(parsed) == [("1", "Dry?", 0.0, 0.5), ("2A", "Nearly.", 0.9, 1.5)]


def test_without_any_speaker_the_text_is_one_piece_of_nobody() -> None:
    words = [word("The", 250, 400), word("kiln.", 400, 2000)]
    parsed = read(COMPLETED | {"utterances": None, "words": words, "text": "The kiln."})
    assert said(parsed) == [(None, "The kiln.", 0.25, 2.0)]
    assert not parsed.named
    assert said(read({"id": "1", "status": "completed", "text": "Hot.", "words": []})) == [(None, "Hot.", None, None)]


def test_utterances_that_were_saved_alone_are_recognized() -> None:
    assert said(read({"utterances": COMPLETED["utterances"]})) == TURNS


def test_sentences_are_read_where_nobody_was_told_apart() -> None:
    sentences = [
        {"text": "The kiln is hot.", "start": 0, "end": 1200, "confidence": 0.9, "words": [], "speaker": None},
        {"text": "We wait.", "start": 1300, "end": 2000, "confidence": 0.9, "words": [], "speaker": None},
    ]
    parsed = read({"id": "6f1a", "confidence": 0.9, "audio_duration": 2, "sentences": sentences})
    assert said(parsed) == [(None, "The kiln is hot.", 0.0, 1.2), (None, "We wait.", 1.3, 2.0)]


def test_neighbouring_utterances_of_one_speaker_are_one_turn() -> None:
    utterances: Any = COMPLETED["utterances"]
    read_back = read_transcript(json.dumps(COMPLETED | {"utterances": utterances[1:] + utterances[:1]}))
    assert read_back.reading.format == "assemblyai"
    assert [(turn.speaker, turn.text) for turn in read_back.turns] == [
        ("B", "Nearly."),
        ("A", "Good. Is the glaze dry?"),
    ]


def test_bad_entries_are_noted() -> None:
    utterances = [
        None,
        {"speaker": "A", "text": "Dry?", "start": "x", "end": -5, "words": []},
        {"speaker": "B", "text": ""},
    ]
    parsed = read(COMPLETED | {"utterances": utterances})
    assert said(parsed) == [("A", "Dry?", None, None)]
    assert list(parsed.notes.sentences()) == [
        "entries of `utterances` that are no objects are left out (line 1)",
        "segments without text are left out (line 3)",
    ]


def test_a_failure_is_refused_with_what_assemblyai_says() -> None:
    failed = {
        "id": "6f1a",
        "status": "error",
        "error": "Download error:\n file not {found}",
        "audio_url": "x",
        "text": None,
    }
    assert FORMAT.recognizes(Content(json.dumps(failed)))
    with pytest.raises(BadTranscript, match=r"AssemblyAI did not transcribe it: `Download error: file not \{found\}`"):
        FORMAT.read(Content(json.dumps(failed)))


def test_what_is_not_done_is_refused() -> None:
    waiting = {"id": "6f1a", "status": "processing", "audio_url": "x", "text": None, "words": None, "utterances": None}
    with pytest.raises(BadTranscript, match="neither `utterances` nor `words` nor a `text`"):
        FORMAT.read(Content('{"turns": []}'))
    with pytest.raises(BadTranscript, match="its status is `processing`; fetch it when it is `completed`"):
        FORMAT.read(Content(json.dumps(waiting)))


@pytest.mark.parametrize(
    "other",
    [
        '{"status": "completed", "text": "Hot."}',
        '{"id": "1", "status": "completed"}',
        '{"utterances": [{"id": "1", "speaker": "A", "text": "Hot.", "conversation_id": "0"}]}',
        '{"utterances": [{"start": 0.5, "end": 2.5, "transcript": "Hot.", "confidence": 1, "words": []}]}',
        "[]",
    ],
)
def test_other_json_is_not_recognized(other: str) -> None:
    assert not FORMAT.recognizes(Content(other))
