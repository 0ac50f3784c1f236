"""Deepgram's answers: utterances before paragraphs before words, and channels in order of time."""

import json
from typing import Any

import pytest

from formats.errors import BadTranscript
from formats.transcripts.pieces import Content, Parsed
from formats.transcripts.read import read_transcript
from formats.transcripts.recognizers.deepgram import FORMAT

NUMBERS = (
    "the recognizer tells speakers apart by numbers, which stand behind `Speaker`; `speakers` in the request can "
    "name them"
)
CHANNELS = "each channel of the recording was taken for a speaker"
IN_TIME = "the channels of the recording were put together in order of time"
PHRASES = "words of a channel were put together up to the ends of sentences and pauses of a second"


def word(text: str, start: float, end: float, **fields: Any) -> dict[str, Any]:
    return {
        "word": text.strip(",.?!").lower(),
        "start": start,
        "end": end,
        "confidence": 0.97,
        "punctuated_word": text,
    } | fields


def answer(*channels: dict[str, Any], utterances: list[Any] | None = None) -> dict[str, Any]:
    results: dict[str, Any] = {"channels": [{"alternatives": [channel]} for channel in channels]}
    metadata = {"request_id": "8f0c", "duration": 12.5, "channels": len(channels), "models": ["a"]}
    return {"metadata": metadata, "results": results if utterances is None else results | {"utterances": utterances}}


def utterance(text: str, start: float, end: float, **fields: Any) -> dict[str, Any]:
    return {
        "start": start,
        "end": end,
        "confidence": 0.98,
        "channel": 0,
        "transcript": text,
        "words": [],
        "id": "u",
    } | fields


DIARIZED_WORDS = {
    "transcript": "Is the glaze dry? Nearly. Good.",
    "confidence": 0.99,
    "words": [
        word("Is", 0.5, 0.7, speaker=0), word("the", 0.7, 0.9, speaker=0), word("glaze", 0.9, 1.4, speaker=0),
        word("dry?", 1.4, 2.1, speaker=0), word("Nearly.", 2.4, 2.9, speaker=1), word("Good.", 3.5, 3.9, speaker=0),
    ],
}  # fmt: skip

PARAGRAPHS = DIARIZED_WORDS | {
    "paragraphs": {
        "transcript": "\nSpeaker 0: Is the glaze dry?\n\nSpeaker 1: Nearly. Give it time.",
        "paragraphs": [
            {"sentences": [{"text": "Is the glaze dry?", "start": 0.5, "end": 2.1}],
             "speaker": 0, "num_words": 4, "start": 0.5, "end": 2.1},
            {"sentences": [{"text": "Nearly.", "start": 2.4, "end": 2.9},
                           {"text": "Give it time.", "start": 3.0, "end": 3.9}],
             "speaker": 1, "num_words": 4, "start": 2.4, "end": 3.9},
        ],
    }
}  # fmt: skip


def read(value: Any) -> Parsed:
    content = Content(json.dumps(value))
    assert FORMAT.recognizes(content)
    return FORMAT.read(content)


def said(parsed: Parsed) -> list[tuple[str | None, str, float | None, float | None]]:
    return [(piece.speaker, piece.text, piece.start, piece.end) for piece in parsed.pieces]


def notes(parsed: Parsed) -> list[str]:
    return list(parsed.notes.sentences())


def test_utterances_come_first_and_speakers_keep_their_numbers() -> None:
    parsed = read(answer(PARAGRAPHS, utterances=[
        utterance("Is the glaze dry?", 0.5, 2.1, speaker=0),
        utterance("Nearly.", 2.4, 2.9, speaker=3),
        utterance("", 3.0, 3.1, speaker=3),
    ]))  # fmt: skip
    assert said(parsed) == [("Speaker 0", "Is the glaze dry?", 0.5, 2.1), ("Speaker 3", "Nearly.", 2.4, 2.9)]
    assert (parsed.kind, parsed.named) == ("cues", True)
    assert notes(parsed) == [NUMBERS, "segments without text are left out (line 3)"]


def test_paragraphs_are_read_where_there_are_no_utterances() -> None:
    parsed = read(answer(PARAGRAPHS))
    assert said(parsed) == [
        ("Speaker 0", "Is the glaze dry?", 0.5, 2.1),
        ("Speaker 1", "Nearly. Give it time.", 2.4, 3.9),
    ]


def test_words_of_one_speaker_stand_together_where_there_is_nothing_else() -> None:
    parsed = read(answer(DIARIZED_WORDS))
    assert said(parsed) == [
        ("Speaker 0", "Is the glaze dry?", 0.5, 2.1),
        ("Speaker 1", "Nearly.", 2.4, 2.9),
        ("Speaker 0", "Good.", 3.5, 3.9),
    ]
    assert notes(parsed) == [NUMBERS]


def test_a_transcript_without_speakers_names_nobody() -> None:
    parsed = read(
        answer({"transcript": "The kiln is hot.", "confidence": 1, "words": [word("The", 0.25, 1), word("hot.", 1, 2)]})
    )
    assert said(parsed) == [(None, "The kiln is hot.", 0.25, 2.0)]
    assert (parsed.named, notes(parsed)) == (False, [])


def test_utterances_of_channels_are_put_in_order_of_time_and_named_by_channel() -> None:
    parsed = read(answer({"transcript": "a"}, {"transcript": "b"}, utterances=[
        utterance("Is the glaze dry?", 0.5, 2.1, channel=0),
        utterance("Good.", 3.5, 3.9, channel=0),
        utterance("Nearly.", 2.4, 2.9, channel=1),
    ]))  # fmt: skip
    assert said(parsed) == [
        ("channel 0", "Is the glaze dry?", 0.5, 2.1),
        ("channel 1", "Nearly.", 2.4, 2.9),
        ("channel 0", "Good.", 3.5, 3.9),
    ]
    assert notes(parsed) == [CHANNELS, IN_TIME]


def test_speakers_that_were_told_apart_in_each_channel_are_named_by_both() -> None:
    parsed = read(answer({"transcript": "a"}, {"transcript": "b"}, utterances=[
        utterance("Dry?", 0.5, 1, channel=0, speaker=0),
        utterance("Nearly.", 2, 3, channel=1, speaker=0),
        utterance("Wet!", 4, 5, channel=1, speaker=1),
    ]))  # fmt: skip
    assert [(speaker, text) for speaker, text, _, _ in said(parsed)] == [
        ("channel 0 Speaker 0", "Dry?"),
        ("channel 1 Speaker 0", "Nearly."),
        ("channel 1 Speaker 1", "Wet!"),
    ]


def test_words_of_channels_are_cut_into_phrases_before_they_are_put_in_order() -> None:
    asks = {"transcript": "Dry? And", "words": [word("Dry?", 0.5, 0.9), word("And", 3.0, 3.2), word("now?", 3.2, 3.5)]}
    says = {"transcript": "Not", "words": [word("Not", 1.0, 1.2), word("yet", 1.2, 1.4), word("wait", 2.5, 2.8)]}
    parsed = read(answer(asks, says))
    assert said(parsed) == [
        ("channel 0", "Dry?", 0.5, 0.9),
        ("channel 1", "Not yet", 1.0, 1.4),
        ("channel 1", "wait", 2.5, 2.8),
        ("channel 0", "And now?", 3.0, 3.5),
    ]
    assert notes(parsed) == [PHRASES, CHANNELS, IN_TIME]


def test_the_request_names_the_numbers() -> None:
    read_back = read_transcript(
        json.dumps(answer(DIARIZED_WORDS)), speakers={"Speaker 0": "Dagny", "Speaker 1": "Emeka"}
    )
    assert read_back.reading.format == "deepgram"
    assert read_back.reading.speakers == {"Dagny": 2, "Emeka": 1}


def test_bad_entries_are_noted_and_the_rest_is_read() -> None:
    broken = answer(
        DIARIZED_WORDS,
        utterances=[7, utterance("Dry?", 0.5, 1, speaker="kiln"), {"speaker": 0}, utterance("No.", 2, 1e999)],
    )
    parsed = read(broken)
    assert said(parsed) == [("kiln", "Dry?", 0.5, 1.0), (None, "No.", 2.0, None)]
    assert notes(parsed) == [
        "entries of `utterances` that are no objects are left out (line 1)",
        "segments without text are left out (line 3)",
    ]


@pytest.mark.parametrize(
    "other",
    [
        '{"results": {"transcripts": [{"transcript": "Hot."}], "items": []}}',
        '{"results": {"channels": ["general"]}}',
        '{"results": [{"alternatives": [{"transcript": "Hot."}]}]}',
        '{"channel": {"alternatives": [{"transcript": "Hot."}]}}',
        "[]",
    ],
)
def test_other_json_is_not_recognized(other: str) -> None:
    assert not FORMAT.recognizes(Content(other))


def test_a_failure_is_refused_with_what_deepgram_says() -> None:
    with pytest.raises(BadTranscript, match="Deepgram did not transcribe it: `Bad Request: no audio`"):
        FORMAT.read(Content('{"err_code": "Bad Request", "err_msg": "Bad Request: no audio", "request_id": "1"}'))
    with pytest.raises(BadTranscript, match="no object `results`"):
        FORMAT.read(Content("[]"))
