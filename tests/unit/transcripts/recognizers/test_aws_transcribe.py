"""Amazon Transcribe: segments before words, punctuation with its word, channels in order of time; Call Analytics."""

import json
from typing import Any

import pytest

from formats.errors import BadTranscript
from formats.transcripts.pieces import Content, Parsed
from formats.transcripts.read import read_transcript
from formats.transcripts.recognizers.aws import FORMAT

CHANNELS = "each channel of the recording was taken for a speaker"
IN_TIME = "the channels of the recording were put together in order of time"


def item(text: str, start: str, end: str, **fields: Any) -> dict[str, Any]:
    alternatives = [{"confidence": "0.99", "content": text}, {"confidence": "0.01", "content": "other"}]
    return {"type": "pronunciation", "start_time": start, "end_time": end, "alternatives": alternatives} | fields


def mark(text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "punctuation", "alternatives": [{"confidence": "0.0", "content": text}]} | fields


def job(**results: Any) -> dict[str, Any]:
    results.setdefault("transcripts", [{"transcript": "Is it dry? Nearly."}])
    return {"jobName": "kiln-1", "accountId": "111122223333", "status": "COMPLETED", "results": results}


ITEMS = [
    item("Is", "0.5", "0.7", speaker_label="spk_0"), item("it", "0.7", "0.9", speaker_label="spk_0"),
    item("dry", "0.9", "1.25", speaker_label="spk_0"), mark("?", speaker_label="spk_0"),
    item("Nearly", "2.04", "2.9", speaker_label="spk_1"), mark(",", speaker_label="spk_1"),
    item("yes", "2.9", "3.1", speaker_label="spk_1"), mark("."),
]  # fmt: skip

BY_SPEAKER = [("spk_0", "Is it dry?", 0.5, 1.25), ("spk_1", "Nearly, yes.", 2.04, 3.1)]


def read(value: Any) -> Parsed:
    content = Content(json.dumps(value))
    assert FORMAT.recognizes(content)
    return FORMAT.read(content)


def said(parsed: Parsed) -> list[tuple[str | None, str, float | None, float | None]]:
    return [(piece.speaker, piece.text, piece.start, piece.end) for piece in parsed.pieces]


def notes(parsed: Parsed) -> list[str]:
    return list(parsed.notes.sentences())


def test_words_of_one_speaker_stand_together_and_punctuation_with_its_word() -> None:
    parsed = read(job(items=ITEMS))
    assert said(parsed) == BY_SPEAKER
    assert (parsed.kind, parsed.named, notes(parsed)) == ("cues", True, [])


def test_older_output_says_who_speaks_beside_the_items() -> None:
    labels = {"speakers": 2, "segments": [
        {"start_time": "0.5", "end_time": "1.25", "speaker_label": "spk_0", "items": [
            {"start_time": start, "end_time": "9", "speaker_label": "spk_0"} for start in ("0.5", "0.7", "0.9")]},
        {"start_time": "2.04", "end_time": "3.1", "speaker_label": "spk_1", "items": [
            {"start_time": start, "end_time": "9"} for start in ("2.04", "2.9")]},
    ]}  # fmt: skip
    items = [{key: value for key, value in each.items() if key != "speaker_label"} for each in ITEMS]
    assert said(read(job(items=items, speaker_labels=labels))) == BY_SPEAKER


def test_audio_segments_come_before_words() -> None:
    segments = [
        {"id": 0, "transcript": "Is it dry?", "start_time": "0.5", "end_time": "1.3", "speaker_label": "spk_0"},
        {"id": 1, "transcript": " ", "start_time": "1.4", "end_time": "1.5", "speaker_label": "spk_0", "items": []},
        {"id": 2, "transcript": "Nearly, yes.", "start_time": "2.04", "end_time": "3.2", "speaker_label": "spk_1"},
    ]  # fmt: skip
    parsed = read(job(items=ITEMS, audio_segments=segments))
    assert said(parsed) == [("spk_0", "Is it dry?", 0.5, 1.3), ("spk_1", "Nearly, yes.", 2.04, 3.2)]
    assert notes(parsed) == ["segments without text are left out (line 2)"]


def test_audio_segments_of_channels_are_put_in_order_of_time() -> None:
    segments = [
        {"id": 0, "transcript": "Is it dry?", "start_time": "0.5", "end_time": "1.3", "channel_label": "ch_0"},
        {"id": 1, "transcript": "Good.", "start_time": "4.0", "end_time": "4.5", "channel_label": "ch_0"},
        {"id": 2, "transcript": "Nearly.", "start_time": "2.04", "end_time": "3.2", "channel_label": "ch_1"},
    ]
    parsed = read(job(audio_segments=segments, channel_labels={"number_of_channels": 2, "channels": []}))
    assert said(parsed) == [
        ("ch_0", "Is it dry?", 0.5, 1.3),
        ("ch_1", "Nearly.", 2.04, 3.2),
        ("ch_0", "Good.", 4.0, 4.5),
    ]
    assert notes(parsed) == [CHANNELS, IN_TIME]


def test_words_of_channels_are_cut_into_phrases_and_put_in_order_of_time() -> None:
    channels = [
        {
            "channel_label": "ch_0",
            "items": [item("Dry", "0.5", "0.9"), mark("?"), item("Good", "4.0", "4.4"), mark(".")],
        },
        {
            "channel_label": "ch_1",
            "items": [item("Nearly", "1.0", "1.4"), mark(","), item("yes", "1.4", "1.6"), mark(".")],
        },
    ]
    parsed = read(job(items=[], channel_labels={"channels": channels, "number_of_channels": 2}))
    assert said(parsed) == [
        ("ch_0", "Dry?", 0.5, 0.9),
        ("ch_1", "Nearly, yes.", 1.0, 1.6),
        ("ch_0", "Good.", 4.0, 4.4),
    ]
    assert notes(parsed)[1:] == [CHANNELS, IN_TIME]


def test_speakers_of_channels_are_named_by_both() -> None:
    segments = [
        {
            "transcript": "Dry?",
            "start_time": "0.5",
            "end_time": "1.3",
            "channel_label": "ch_0",
            "speaker_label": "spk_0",
        },
        {
            "transcript": "No.",
            "start_time": "1.5",
            "end_time": "1.8",
            "channel_label": "ch_1",
            "speaker_label": "spk_0",
        },
        {
            "transcript": "Yes.",
            "start_time": "2.0",
            "end_time": "2.2",
            "channel_label": "ch_1",
            "speaker_label": "spk_1",
        },
    ]
    assert [piece.speaker for piece in read(job(audio_segments=segments)).pieces] == [
        "ch_0 spk_0",
        "ch_1 spk_0",
        "ch_1 spk_1",
    ]


def test_without_speakers_the_transcript_is_one_piece_of_nobody() -> None:
    items = [item("Hot", "1.5", "1.9"), mark(".")]
    parsed = read(job(items=items, transcripts=[{"transcript": "Dagny: Hot."}]))
    assert said(parsed) == [(None, "Dagny: Hot.", 1.5, 1.9)]
    assert not parsed.named


def test_call_analytics_are_read_by_role() -> None:
    call = {"JobStatus": "COMPLETED", "LanguageCode": "en-US", "Channel": "VOICE", "Transcript": [
        {"Id": "1", "ParticipantRole": "AGENT", "Content": "Kiln desk.", "BeginOffsetMillis": 160,
         "EndOffsetMillis": 1200,
         "LoudnessScores": [80.1], "Sentiment": "NEUTRAL", "Items": []},
        {"Id": "2", "ParticipantRole": "CUSTOMER", "Content": "Is it hot?", "BeginOffsetMillis": 1500,
         "EndOffsetMillis": 2250},
        {"Id": "3", "ParticipantRole": "CUSTOMER", "BeginOffsetMillis": 2500, "EndOffsetMillis": 2600},
    ]}  # fmt: skip
    parsed = read(call)
    assert said(parsed) == [("AGENT", "Kiln desk.", 0.16, 1.2), ("CUSTOMER", "Is it hot?", 1.5, 2.25)]
    assert notes(parsed) == ["segments without text are left out (line 3)"]


def test_two_people_in_one_role_are_two_speakers() -> None:
    call = {"Transcript": [
        {"ParticipantRole": "AGENT", "ParticipantId": "agent-7", "Content": "Kiln desk."},
        {"ParticipantRole": "CUSTOMER", "ParticipantId": "caller", "Content": "Hot?"},
        {"ParticipantRole": "AGENT", "ParticipantId": "agent-9", "Content": "I take over."},
    ]}  # fmt: skip
    assert [piece.speaker for piece in read(call).pieces] == ["agent-7", "CUSTOMER", "agent-9"]


def test_bad_entries_are_noted_and_the_rest_is_read() -> None:
    items = [
        "x",
        item("Hot", "soon", "1.9", speaker_label="spk_0"),
        {"type": "pronunciation", "alternatives": []},
        mark("!"),
    ]
    parsed = read(job(items=items))
    assert said(parsed) == [("spk_0", "Hot!", None, 1.9)]
    assert notes(parsed) == ["entries of `items` that are no objects are left out (line 1)"]


def test_turns_are_told_by_content_alone() -> None:
    read_back = read_transcript(json.dumps(job(items=ITEMS)))
    assert read_back.reading.format == "aws"
    assert [(turn.speaker, turn.text, turn.start, turn.end) for turn in read_back.turns] == BY_SPEAKER


@pytest.mark.parametrize(
    "other",
    [
        '{"results": {"channels": [{"alternatives": [{"transcript": "Hot."}]}]}}',
        '{"results": {"items": [1, 2]}}',
        '{"results": [{"transcripts": []}]}',
        '{"Transcript": "Hot."}',
        '{"Transcript": [{"Content": "Hot."}]}',
        "[]",
    ],
)
def test_other_json_is_not_recognized(other: str) -> None:
    assert not FORMAT.recognizes(Content(other))


def test_json_without_results_is_refused() -> None:
    with pytest.raises(BadTranscript, match="no object `results`"):
        FORMAT.read(Content('{"jobName": "kiln-1", "status": "FAILED"}'))
