"""Whatever is written down in a format is read back: the same speakers, the same words, in the same order."""

from collections.abc import Sequence
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transcript_writers import BY_FORMAT, Writer

from formats.documents import Turn
from formats.transcripts.read import read_transcript

NAMES = (
    "Ana",
    "Bo Ek",
    "Okoro, Chidi",
    "+44 20 7946 0958",
    "Zoé (she/her)",
    "王芳",
    "ana@example.org",
    "Guest_12",
    "mum",
)
CUES = {"webvtt", "srt", "sbv", "otter", "whisper", "deepgram", "assemblyai", "openai", "elan"}
SETTLED = {"webvtt", "srt", "sbv", "lines"}
"""Where names stand before colons, one that is met once could be speech: the request settles it."""

WORDS = """
yes no. the ferry at 21:05 leaves, doesn't it? one thing: look -- it's <here> & there; 42 (all) of “them” Übung 船 مرحبا
🙂 WEBVTT --> >> - NOTE x:y [a] {b} C#
"""
words = st.sampled_from(WORDS.split())
said = st.lists(words, min_size=1, max_size=8).map(" ".join)
turn = st.builds(Turn, st.sampled_from(NAMES), said.filter(lambda text: any(letter.isalpha() for letter in text)))
turns = st.lists(turn, min_size=2, max_size=12)


def merged(written: Sequence[Turn]) -> list[tuple[str, str]]:
    """Neighbouring turns of one speaker as one."""
    return [
        (speaker, " ".join(each.text for each in together))
        for speaker, together in groupby(written, key=lambda each: each.speaker)
    ]


@pytest.mark.parametrize(("name", "write"), [(name, write) for name, writers in BY_FORMAT.items() for write in writers])
@given(written=turns)
@settings(max_examples=60, deadline=None)
def test_turns_come_back_as_they_were_written(name: str, write: Writer, written: list[Turn]) -> None:
    names = list(dict.fromkeys(turn.speaker for turn in written))
    read = read_transcript(write(written), name, speakers=names if name in SETTLED else None)
    expected = merged(written) if name in CUES else [(turn.speaker, turn.text) for turn in written]
    if name == "deepgram":
        numbered = {speaker: f"Speaker {number}" for number, speaker in enumerate(names)}
        expected = [(numbered[speaker], text) for speaker, text in expected]
    assert [(turn.speaker, turn.text) for turn in read.turns] == expected
    assert read.reading.turns == len(expected)
    assert sum(read.reading.speakers.values()) == len(expected)
    assert read.reading.unnamed == 0


@pytest.mark.parametrize(("name", "write"), [(name, write) for name, writers in BY_FORMAT.items() for write in writers])
def test_every_written_format_is_told_by_its_content_alone(name: str, write: Writer) -> None:
    written = [
        Turn("Ana", "Shall we go?"),
        Turn("Bo Ek", "Not yet."),
        Turn("Ana", "When then?"),
        Turn("Bo Ek", "At six."),
    ]
    assert read_transcript(write(written)).reading.format == name
