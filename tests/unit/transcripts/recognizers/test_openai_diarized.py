"""OpenAI's answers: speakers of `diarized_json`, none of `verbose_json` and `json`; never taken for Whisper's own."""

import json
from typing import Any

import pytest

from formats.errors import BadTranscript
from formats.transcripts.pieces import Content, Parsed
from formats.transcripts.read import read_transcript
from formats.transcripts.recognizers.openai import FORMAT
from formats.transcripts.recognizers.whisper import FORMAT as WHISPER

SEGMENT = "transcript.text.segment"

DIARIZED = {
    "task": "transcribe",
    "duration": 9.4,
    "text": "Dagny: Is it loaded? A: Since noon. Then light it.",
    "segments": [
        {"type": SEGMENT, "id": "seg_001", "start": 0.0, "end": 2.2, "text": "Is it loaded?", "speaker": "Dagny"},
        {"type": SEGMENT, "id": "seg_002", "start": 2.6, "end": 4.1, "text": "Since noon.", "speaker": "A"},
        {"type": SEGMENT, "id": "seg_003", "start": 4.1, "end": 4.3, "text": " ", "speaker": "A"},
        {"type": SEGMENT, "id": "seg_004", "start": 5.0, "end": 6.2, "text": "Since two, really.", "speaker": "A"},
        {"type": SEGMENT, "id": "seg_005", "start": 8.0, "end": 9.4, "text": "Then light it.", "speaker": "Dagny"},
    ],
    "usage": {"type": "duration", "seconds": 10},
}  # fmt: skip

VERBOSE = {
    "task": "transcribe",
    "language": "english",
    "duration": 4.0,
    "text": "The kiln is hot. Then we wait.",
    "segments": [
        {"id": 0, "seek": 0, "start": 0.0, "end": 2.5, "text": " The kiln is hot.", "tokens": [1], "temperature": 0.0},
        {"id": 1, "seek": 0, "start": 2.5, "end": 4.0, "text": " Then we wait.", "tokens": [2], "temperature": 0.0},
    ],
    "usage": {"type": "duration", "seconds": 4},
}

VERBOSE_WORDS = {
    "task": "transcribe",
    "language": "english",
    "duration": "4.0",
    "text": "The kiln is hot.",
    "words": [{"word": "The", "start": 0.0, "end": 0.4}],
}

PLAIN = {
    "text": "The kiln is hot.",
    "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 5, "total_tokens": 19},
}

STREAMED_SEGMENTS = {
    "segments": [{"id": "seg_0", "start": 0.0, "end": 1.5, "text": "Is it hot?", "speaker": "speaker_0"}]
}


def read(value: Any) -> Parsed:
    content = Content(json.dumps(value))
    assert FORMAT.recognizes(content)
    return FORMAT.read(content)


def said(parsed: Parsed) -> list[tuple[str | None, str, float | None, float | None]]:
    return [(piece.speaker, piece.text, piece.start, piece.end) for piece in parsed.pieces]


def test_diarized_segments_have_speakers_and_empty_ones_are_counted() -> None:
    parsed = read(DIARIZED)
    assert said(parsed) == [
        ("Dagny", "Is it loaded?", 0.0, 2.2),
        ("A", "Since noon.", 2.6, 4.1),
        ("A", "Since two, really.", 5.0, 6.2),
        ("Dagny", "Then light it.", 8.0, 9.4),
    ]
    assert (parsed.kind, parsed.named) == ("cues", True)
    assert list(parsed.notes.sentences()) == ["segments without text are left out (line 3)"]


def test_neighbouring_segments_of_one_speaker_are_one_turn() -> None:
    read_back = read_transcript(json.dumps(DIARIZED))
    assert read_back.reading.format == "openai"
    assert [(turn.speaker, turn.text, turn.start, turn.end) for turn in read_back.turns] == [
        ("Dagny", "Is it loaded?", 0.0, 2.2),
        ("A", "Since noon. Since two, really.", 2.6, 6.2),
        ("Dagny", "Then light it.", 8.0, 9.4),
    ]
    assert read_back.reading.speakers == {"Dagny": 2, "A": 1}


def test_verbose_segments_name_nobody() -> None:
    parsed = read(VERBOSE)
    assert said(parsed) == [(None, "The kiln is hot.", 0.0, 2.5), (None, "Then we wait.", 2.5, 4.0)]
    assert not parsed.named


@pytest.mark.parametrize("answer", [VERBOSE_WORDS, PLAIN])
def test_without_segments_the_text_is_read(answer: Any) -> None:
    parsed = read(answer)
    assert said(parsed) == [(None, "The kiln is hot.", None, None)]
    assert not parsed.named


def test_segments_are_known_by_their_ids_alone() -> None:
    assert said(read(STREAMED_SEGMENTS)) == [("speaker_0", "Is it hot?", 0.0, 1.5)]


@pytest.mark.parametrize("answer", [DIARIZED, VERBOSE, VERBOSE_WORDS, PLAIN, STREAMED_SEGMENTS])
def test_whisper_claims_none_of_it_in_whatever_order_the_two_are_asked(answer: Any) -> None:
    assert not WHISPER.recognizes(Content(json.dumps(answer)))


@pytest.mark.parametrize(
    "other",
    [
        '{"text": "Hot.", "segments": [{"id": 0, "start": 0, "end": 1, "text": "Hot."}], "language": "en"}',
        '{"text": "Hot."}',
        '{"task": "transcribe", "text": "Hot."}',
        '{"id": "chatcmpl-1", "choices": [], "text": "Hot.", "usage": {"total_tokens": 3}}',
        '{"text": 1, "usage": {"seconds": 3}}',
        '[{"type": "transcript.text.segment", "id": "seg_1", "text": "Hot.", "speaker": "A"}]',
    ],
)
def test_other_json_is_not_recognized(other: str) -> None:
    assert not FORMAT.recognizes(Content(other))


def test_a_failure_is_refused_with_what_openai_says() -> None:
    answer = {"error": {"message": "Audio file is {too}\nshort.", "type": "invalid_request_error"}}
    with pytest.raises(BadTranscript, match=r"OpenAI did not transcribe it: `Audio file is \{too\} short\.`"):
        FORMAT.read(Content(json.dumps(answer)))
    with pytest.raises(BadTranscript, match="neither `segments` nor a `text`"):
        FORMAT.read(Content("{}"))
    with pytest.raises(BadTranscript, match="not the JSON object"):
        FORMAT.read(Content("[1]"))
