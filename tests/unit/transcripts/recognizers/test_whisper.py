"""Whisper's JSON in its dialects, and its TSV: who speaks where the file says so, and nobody where it does not."""

import json
from typing import Any

import pytest

from formats.errors import BadTranscript
from formats.transcripts.pieces import Content, Parsed
from formats.transcripts.read import read_transcript
from formats.transcripts.recognizers.whisper import FORMAT

Said = tuple[str | None, str, float | None, float | None]

OPENAI_WHISPER = {
    "text": " The kiln is hot. Then we wait.",
    "segments": [
        {"id": 0, "seek": 0, "start": 0.0, "end": 2.48, "text": " The kiln is hot.", "tokens": [50364],
         "avg_logprob": -0.31, "compression_ratio": 1.1, "no_speech_prob": 0.02},
        {"id": 1, "seek": 0, "start": 2.48, "end": 4.0, "text": " Then we wait.", "tokens": [1396],
         "avg_logprob": -0.31, "compression_ratio": 1.1, "no_speech_prob": 0.02},
    ],
    "language": "en",
}  # fmt: skip

WHISPER_CPP = """{
	"systeminfo": "AVX = 1 | NEON = 0 | ",
	"model": {"type": "base", "multilingual": true, "text": {"ctx": 448, "state": 512}},
	"params": {"model": "models/ggml-base.bin", "language": "en", "translate": false},
	"result": {"language": "en"},
	"transcription": [
		{
			"timestamps": {"from": "00:00:00,000", "to": "00:00:02,480"},
			"offsets": {"from": 0, "to": 2480},
			"text": " The kiln is hot.",
			"speaker": "0"
		},
		{
			"timestamps": {"from": "00:00:02,480", "to": "00:00:03,000"},
			"offsets": {"from": 2480, "to": 3000},
			"text": " [BLANK_AUDIO]",
			"speaker": "?"
		},
		{
			"timestamps": {"from": "00:00:03,000", "to": "00:00:04,120"},
			"offsets": {"from": 3000, "to": 4120},
			"text": " Then we wait.",
			"speaker": "1"
		},
		{
			"timestamps": {"from": "00:00:04,120", "to": "00:00:05,000"},
			"offsets": {"from": 4120, "to": 5000},
			"text": " All night.",
			"speaker": "?"
		}
	]
}"""

WHISPERX = {
    "segments": [
        {"start": 0.5, "end": 2.1, "text": " Is the glaze dry?", "speaker": "SPEAKER_01",
         "words": [{"word": "Is", "start": 0.5, "end": 0.7, "score": 0.9, "speaker": "SPEAKER_01"},
                   {"word": "the", "start": 0.7, "end": 0.9, "score": 0.9, "speaker": "SPEAKER_01"},
                   {"word": "glaze", "start": 0.9, "end": 1.4, "score": 0.8, "speaker": "SPEAKER_01"},
                   {"word": "dry?", "start": 1.4, "end": 2.1, "score": 0.9, "speaker": "SPEAKER_01"}]},
        {"start": 2.4, "end": 5.0, "text": " Nearly, give it 20 minutes. Fine.", "speaker": "SPEAKER_00",
         "words": [{"word": "Nearly,", "start": 2.4, "end": 2.9, "score": 0.7, "speaker": "SPEAKER_00"},
                   {"word": "give", "start": 3.0, "end": 3.2, "score": 0.9, "speaker": "SPEAKER_00"},
                   {"word": "it", "start": 3.2, "end": 3.3, "score": 0.9, "speaker": "SPEAKER_00"},
                   {"word": "20"},
                   {"word": "minutes.", "start": 3.6, "end": 4.1, "score": 0.9, "speaker": "SPEAKER_00"},
                   {"word": "Fine.", "start": 4.5, "end": 5.0, "score": 0.9, "speaker": "SPEAKER_01"}]},
        {"start": 6.0, "end": 6.4, "text": " Good.",
         "words": [{"word": "Good.", "start": 6.0, "end": 6.4, "score": 0.4}]},
    ],
    "word_segments": [{"word": "Is", "start": 0.5, "end": 0.7, "score": 0.9, "speaker": "SPEAKER_01"}],
    "language": "en",
}  # fmt: skip

INSANELY_FAST = {
    "speakers": [
        {"speaker": "SPEAKER_00", "timestamp": [0.0, 3.2], "text": " Who fires the kiln tonight?"},
        {"speaker": "SPEAKER_01", "timestamp": [3.2, None], "text": " I do."},
    ],
    "chunks": [
        {"timestamp": [0.0, 3.2], "text": " Who fires the kiln tonight?"},
        {"timestamp": [3.2, None], "text": " I do."},
    ],
    "text": " Who fires the kiln tonight? I do.",
}

FASTER_WHISPER = [
    {"start": 0, "end": 2.5, "text": " Dagny: Is it loaded?"},
    {"start": 2.5, "end": 3.75, "text": " Emeka: Since noon."},
]


def read(value: Any) -> Parsed:
    content = Content(value if isinstance(value, str) else json.dumps(value))
    assert FORMAT.recognizes(content)
    return FORMAT.read(content)


def said(parsed: Parsed) -> list[Said]:
    return [(piece.speaker, piece.text, piece.start, piece.end) for piece in parsed.pieces]


def notes(parsed: Parsed) -> list[str]:
    return list(parsed.notes.sentences())


def test_segments_of_whisper_itself_name_nobody() -> None:
    parsed = read(OPENAI_WHISPER)
    assert said(parsed) == [(None, "The kiln is hot.", 0.0, 2.48), (None, "Then we wait.", 2.48, 4.0)]
    assert (parsed.kind, parsed.named, notes(parsed)) == ("cues", False, [])


def test_whisper_cpp_tells_two_channels_apart_by_number_and_says_where_it_cannot() -> None:
    parsed = read(WHISPER_CPP)
    assert said(parsed) == [
        ("Speaker 0", "The kiln is hot.", 0.0, 2.48),
        ("Speaker 1", "Then we wait.", 3.0, 4.12),
        (None, "All night.", 4.12, 5.0),
    ]
    assert parsed.named
    numbered, silence = notes(parsed)
    assert "by numbers" in numbered
    assert silence == "marks of silence, `[BLANK_AUDIO]`, are left out"


def test_whisper_cpp_marks_of_a_change_of_speaker_are_no_text_and_no_names() -> None:
    parsed = read({
        "transcription": [
            {"offsets": {"from": 0, "to": 900}, "text": " Ready? [SPEAKER_TURN]", "speaker_turn_next": True},
            {"offsets": {"from": 900, "to": 1800}, "text": " Ready.", "speaker_turn_next": False},
        ]
    })  # fmt: skip
    assert said(parsed) == [(None, "Ready?", 0.0, 0.9), (None, "Ready.", 0.9, 1.8)]
    assert not parsed.named
    assert notes(parsed) == [
        "changes of speaker are marked without saying who speaks, so speakers are not told apart (line 1)"
    ]


def test_whisper_cpp_speakers_inside_the_text_are_speakers() -> None:
    parsed = read({
        "transcription": [
            {"timestamps": {"from": "00:01:00,500", "to": "01:00:02,000"}, "text": "(speaker 1) Ready?"},
            {"timestamps": {"from": "soon", "to": "01:00:03,000"}, "text": "(speaker ?) Ready."},
        ]
    })  # fmt: skip
    assert said(parsed) == [("Speaker 1", "Ready?", 60.5, 3602.0), (None, "Ready.", None, 3603.0)]


def test_a_segment_of_whisperx_in_which_the_speaker_changes_is_cut_between_its_words() -> None:
    parsed = read(WHISPERX)
    assert said(parsed) == [
        ("SPEAKER_01", "Is the glaze dry?", 0.5, 2.1),
        ("SPEAKER_00", "Nearly, give it 20 minutes.", 2.4, 4.1),
        ("SPEAKER_01", "Fine.", 4.5, 5.0),
        (None, "Good.", 6.0, 6.4),
    ]
    assert notes(parsed) == [
        "segments in which the speaker changes were cut between their words (line 2)",
        "words without a speaker, in a segment that was cut, are those of the speaker before (line 2)",
    ]


def test_turns_of_whisperx_are_those_of_its_words_and_unnamed_segments_are_counted() -> None:
    read_back = read_transcript(json.dumps(WHISPERX))
    assert read_back.reading.format == "whisper"
    assert [(turn.speaker, turn.text) for turn in read_back.turns] == [
        ("SPEAKER_01", "Is the glaze dry?"),
        ("SPEAKER_00", "Nearly, give it 20 minutes."),
        ("SPEAKER_01", "Fine. Good."),
    ]
    assert read_back.reading.unnamed == 1


def test_scripts_without_blanks_are_cut_without_blanks() -> None:
    words = [
        {"word": each, "start": n, "end": n + 1, "speaker": f"SPEAKER_0{n // 3}"}
        for n, each in enumerate("窑热了等一下")
    ]
    parsed = read(
        {"segments": [{"start": 0, "end": 6, "text": "窑热了等一下", "speaker": "SPEAKER_00", "words": words}]}
    )
    assert said(parsed) == [("SPEAKER_00", "窑热了", 0.0, 3.0), ("SPEAKER_01", "等一下", 3.0, 6.0)]


def test_segments_that_somebody_named_by_hand_keep_those_names_over_the_words_labels() -> None:
    segments = [
        {
            "start": 0,
            "end": 2,
            "text": "Hot?",
            "speaker": "Dagny",
            "words": [{"word": "Hot?", "speaker": "SPEAKER_00"}],
        },
        {
            "start": 2,
            "end": 3,
            "text": "Hot.",
            "speaker": "Emeka",
            "words": [{"word": "Hot.", "speaker": "SPEAKER_01"}],
        },
    ]
    parsed = read({"segments": segments, "language": "en"})
    assert said(parsed) == [("Dagny", "Hot?", 0.0, 2.0), ("Emeka", "Hot.", 2.0, 3.0)]
    assert notes(parsed) == [
        "the words of the segments name other speakers than the segments do; the segments were followed"
    ]


def test_words_that_all_name_another_speaker_than_their_segment_decide_and_that_is_noted() -> None:
    segments = [
        {"start": 0, "end": 2, "text": "Hot?", "speaker": "A", "words": [{"word": "Hot?", "speaker": "A"}]},
        {"start": 2, "end": 3, "text": "Very hot.", "speaker": "A",
         "words": [{"word": "Very", "speaker": "B"}, {"word": "hot.", "speaker": "B"}]},
    ]  # fmt: skip
    parsed = read({"segments": segments})
    assert said(parsed) == [("A", "Hot?", 0.0, 2.0), ("B", "Very hot.", 2.0, 3.0)]
    assert notes(parsed) == [
        "segments whose words are another speaker's than the segment are the words' speaker's (line 2)"
    ]


def test_the_speakers_of_insanely_fast_whisper_come_before_its_chunks() -> None:
    parsed = read(INSANELY_FAST)
    assert said(parsed) == [("SPEAKER_00", "Who fires the kiln tonight?", 0.0, 3.2), ("SPEAKER_01", "I do.", 3.2, None)]


def test_chunks_are_read_where_nobody_was_told_apart() -> None:
    parsed = read(INSANELY_FAST | {"speakers": []})
    assert said(parsed) == [(None, "Who fires the kiln tonight?", 0.0, 3.2), (None, "I do.", 3.2, None)]
    assert not parsed.named


def test_names_before_colons_are_found_in_a_list_of_segments_without_speakers() -> None:
    assert not read(FASTER_WHISPER).named
    read_back = read_transcript(json.dumps(FASTER_WHISPER))
    assert [(turn.speaker, turn.text, turn.start, turn.end) for turn in read_back.turns] == [
        ("Dagny", "Is it loaded?", 0.0, 2.5),
        ("Emeka", "Since noon.", 2.5, 3.75),
    ]


def test_what_a_service_puts_around_the_answer_is_looked_through() -> None:
    parsed = read(
        {"status": "succeeded", "output": {"segments": [{"start": 1, "end": 2, "text": "Hot.", "speaker": "A"}]}}
    )
    assert said(parsed) == [("A", "Hot.", 1.0, 2.0)]
    parsed = read(
        {"output": {"turnLevelTranscription": [{"start": 1, "end": 2, "text": "Hot.", "speaker": "SPEAKER_00"}]}}
    )
    assert said(parsed) == [("SPEAKER_00", "Hot.", 1.0, 2.0)]


def test_bad_entries_are_counted_and_bad_times_are_none() -> None:
    parsed = read("""{"language": "en", "segments": [
        {"start": NaN, "end": 1.25, "text": "Hot.", "speaker": 2},
        "a string", {"start": -1, "end": 4e400, "text": "  "}, {"start": true, "end": null, "text": null}, null,
        {"start": "7.5", "end": 8, "text": "[Music]", "speaker": ""}
    ], "text": ""}""")  # fmt: skip
    assert said(parsed) == [("Speaker 2", "Hot.", None, 1.25), (None, "[Music]", 7.5, 8.0)]
    assert notes(parsed)[:1] == ["entries of `segments` that are no objects are left out (lines 2 and 5)"]
    assert notes(parsed)[-1] == "segments without text are left out (lines 3 and 4)"


def test_a_table_of_whisper_has_milliseconds() -> None:
    parsed = read("start\tend\ttext\n0\t2480\tThe kiln is hot.\n2480\t4000\tThen we wait.\n4000\n\n5000\t6000\t\n")
    assert said(parsed) == [(None, "The kiln is hot.", 0.0, 2.48), (None, "Then we wait.", 2.48, 4.0)]
    assert notes(parsed) == [
        "rows without a start, an end and a text are left out (line 4)",
        "segments without text are left out (line 6)",
    ]


def test_a_file_without_speech_gives_its_text_or_nothing() -> None:
    assert said(read({"text": " Hm.", "segments": [], "language": "en"})) == [(None, "Hm.", None, None)]
    assert said(read({"text": "", "segments": [], "language": "en"})) == []


@pytest.mark.parametrize(
    "other",
    [
        "[]",
        "{}",
        '{"text": "Hot."}',
        '{"segments": "Hot."}',
        '{"segments": [{"text": "Hot."}]}',
        '[{"conversation_id": "1", "speaker": "A", "text": "Hot.", "start": 1, "end": 2}]',
        '[{"text": "Hot.", "start": 1, "end": 2}, {"role": "user", "text": "Hot.", "start": 1, "end": 2}]',
        '{"turns": [{"speaker": "A", "text": "Hot.", "start": 1, "end": 2}]}',
        '{"task": "transcribe", "duration": 3.5, "text": "Hot.", "segments": [{"start": 1, "end": 2, "text": "Hot."}]}',
        "Dagny: Is it loaded?\nEmeka: Since noon.",
    ],
)
def test_what_is_none_of_whispers_is_not_recognized(other: str) -> None:
    assert not FORMAT.recognizes(Content(other))


def test_json_that_is_cut_off_is_refused_with_the_line() -> None:
    with pytest.raises(BadTranscript, match="cut off or damaged here; export it again") as refused:
        FORMAT.read(Content(WHISPER_CPP[: WHISPER_CPP.index('"speaker": "1"')]))
    assert refused.value.line == 23


def test_json_without_segments_is_refused() -> None:
    with pytest.raises(BadTranscript, match="no list `segments`"):
        FORMAT.read(Content('{"language": "en"}'))
    with pytest.raises(BadTranscript, match="not the JSON that Whisper writes"):
        FORMAT.read(Content("[" * 200_000))


def test_nested_json_does_not_recurse() -> None:
    nested = '{"segments": ' * 500 + "[]" + "}" * 500
    assert not FORMAT.recognizes(Content(nested))
