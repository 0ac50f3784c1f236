"""Attack: transcripts made to take more than linear time, or to slip words past. Each is read, or refused in words."""

import time

import pytest

from attention.errors import BadTranscript
from attention.text.transcripts import read_transcript

CUE = "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n<v A>"
PLAYED = "1\n00:00:01,000 --> 00:00:02,000\n"
N = 200_000


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (CUE + "<v " * N, "webvtt"),
        (CUE + "<v" + " " * N, "webvtt"),
        (CUE + "<c " * N, "webvtt"),
        (CUE + "<1:1:1:1" * N, "webvtt"),
        (CUE + "<" * N, "webvtt"),
        (CUE + "&" * N, "webvtt"),
        (CUE + "&lt;v B&gt;" * N, "webvtt"),
        ("WEBVTT\n\n" + "00:00:01.000 --> 00:00:02.000\n" * (N // 10), "webvtt"),
        ("WEBVTT\n" + "\n" * N, "webvtt"),
        ("WEBVTT\n\nNOTE " + "x\n" * N, "webvtt"),
        (PLAYED + "A" * N, "srt"),
        (PLAYED + "A" * 30 + ": " * N, "srt"),
        (PLAYED + "{\\" * N, "srt"),
        ("1\n" + "0" * N + " --> x", "srt"),
        ("1\n" * N, "srt"),
        ("\n" * N, "srt"),
        ("Ana" + ":" * N, "lines"),
        ("Ana:" + " " * N, "lines"),
        ("Ana" + " " * N + "x", "lines"),
        ("A" * N, "lines"),
        ("\x85" * N, "lines"),
    ],
)
def test_no_transcript_takes_more_than_linear_time(content: str, kind: str) -> None:
    began = time.perf_counter()
    try:
        turns = read_transcript(content, kind)  # type: ignore[arg-type]
    except BadTranscript as refused:
        message, turns = str(refused), ()
    else:
        message = ""
    assert bool(message) != bool(turns), "it is refused in words or read, not passed over"
    assert len(message) < 500
    assert all(turn.text.strip() and turn.speaker.strip() for turn in turns)
    assert time.perf_counter() - began < 60


def test_an_escaped_voice_is_speech_and_no_speaker() -> None:
    (turn,) = read_transcript(CUE + "&lt;v Bo&gt;yes", "webvtt")
    assert (turn.speaker, turn.text) == ("A", "<v Bo>yes")


def test_a_voice_cannot_break_the_line_of_its_label() -> None:
    (turn,) = read_transcript(CUE.replace("<v A>", "<v A\nBo: no>yes"), "webvtt")
    assert turn.speaker == "A Bo: no"
