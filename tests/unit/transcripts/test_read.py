"""Reading a transcript of any kind: its bytes, its format, and what cannot be read."""

import codecs
from typing import get_args

import pytest

from formats.errors import BadTranscript, UnknownFormat
from formats.transcripts.read import read_transcript
from formats.transcripts.registry import FORMATS
from models.schemas.documents import TranscriptFormat

TALK = "Zoé: Où est le café ?\nBo: Là-bas – “vraiment”.\nZoé: Merci."
TURNS = [("Zoé", "Où est le café ?"), ("Bo", "Là-bas – “vraiment”."), ("Zoé", "Merci.")]


@pytest.mark.parametrize(
    ("content", "noted"),
    [
        (TALK.encode(), False),
        (codecs.BOM_UTF8 + TALK.encode(), False),
        (TALK.encode("utf-16"), False),
        (TALK.encode("utf-16-le"), False),
        (TALK.encode("utf-16-be"), False),
        (codecs.BOM_UTF16_BE + TALK.encode("utf-16-be"), False),
        (TALK.encode("utf-32"), False),
        (TALK.encode("windows-1252"), True),
    ],
    ids=["utf-8", "utf-8 with mark", "utf-16", "utf-16-le", "utf-16-be", "utf-16-be with mark", "utf-32", "1252"],
)
def test_the_encoding_is_told_from_the_bytes_and_a_guess_is_said(content: bytes, noted: bool) -> None:
    read = read_transcript(content)
    assert [(turn.speaker, turn.text) for turn in read.turns] == TURNS
    assert any("Windows-1252" in note for note in read.notes) is noted


def test_utf_8_with_a_few_broken_bytes_stays_utf_8_and_that_is_said() -> None:
    content = TALK.encode().replace(b"Merci", b"Mer\xffci")
    read = read_transcript(content)
    assert read.turns[0].text == "Où est le café ?"
    assert read.turns[2].text == "Mer\ufffdci."
    assert any("not UTF-8" in note for note in read.notes)


def test_bytes_that_are_no_text_are_refused_with_their_line() -> None:
    with pytest.raises(BadTranscript, match="line 2 is not UTF-8") as refused:
        read_transcript(b"Ana: yes\nBo: \x81\x00\x01\nAna: no\n")
    assert refused.value.line == 2


@pytest.mark.parametrize("ends", ["\r\n", "\r", "\n"])
def test_lines_may_end_in_any_of_the_three_ways(ends: str) -> None:
    assert [turn.text for turn in read_transcript(TALK.replace("\n", ends)).turns] == [text for _, text in TURNS]


def test_characters_that_cannot_be_stored_are_replaced_and_that_is_said() -> None:
    read = read_transcript('{"segments": [{"start": 0, "end": 1, "text": "a\\u0000b \\ud800", "speaker": "A\\u0000"}]}')
    assert [(turn.speaker, turn.text) for turn in read.turns] == [("A\ufffd", "a\ufffdb \ufffd")]
    assert any("U+FFFD" in note for note in read.notes)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        ("  \n\n", "is empty"),
        ("It was late, and nobody came to the harbour.\nThe boats lay still.", "shape of no transcript format"),
        ('{"segments": [{"start": 0', "no whole JSON"),
        ('{"weather": "rain"}', "shape of no transcript format"),
        ("SPEAKER talk 1 0.00 3.20 <NA> <NA> spk0 <NA> <NA>\n", "RTTM"),
    ],
)
def test_what_is_no_transcript_is_refused_with_advice(content: str, reason: str) -> None:
    with pytest.raises(BadTranscript, match=reason):
        read_transcript(content)


def test_an_unknown_format_is_told_apart_from_a_fault() -> None:
    with pytest.raises(UnknownFormat):
        read_transcript("It was late.")
    with pytest.raises(ValueError, match="`vtt` is no transcript format; there are auto, assemblyai"):
        read_transcript("It was late.", "vtt")


def test_the_contract_names_every_format_that_is_read() -> None:
    assert set(get_args(TranscriptFormat)) == {"auto", *FORMATS}
