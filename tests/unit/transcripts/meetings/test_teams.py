"""Teams' transcripts out of their document, and messages copied from its chat."""

import pytest

from formats.errors import BadTranscript
from formats.transcripts.meetings.teams import FORMAT
from formats.transcripts.pieces import Content
from formats.transcripts.read import read_transcript

DOCUMENT = """Roof-20240513_090500-Meeting Transcript
13 May 2024, 07:05am
27m 42s
Pia Berg started transcription
Pia Berg   0:03
Does it still drip?
I hear it.
Kaya, Yusuf (Guest)   0:03
It does.
Pia Berg   1:02:03
Oh, at 10:30
Pia Berg stopped transcription
"""
CUES = """0:0:0.0 --> 0:0:3.120
Pia Berg
Does it still drip?

0:0:3.500 --> 0:0:4.50
Yusuf Kaya
It does:
every night.

0:1:10.0 --> 0:1:11.0
Pia Berg
Oh.
"""
CHAT = """[9:05 AM] Pia Berg
Does it still drip?

[9:06 AM] Yusuf Kaya
It does: every night.

    And it is cold.
[1:06 PM] Pia Berg
Oh.
"""
DATED_CHAT = """[13/05/2024 23:59] Pia Berg
Does it drip?
[14/05/2024 00:01] Yusuf Kaya
It does.
"""
GERMAN = """Pia Berg hat die Transkription gestartet

Pia Berg  0:03
Tropft es noch?

Yusuf Kaya  0:05
Ja.
"""


def said(text: str) -> list[tuple[str | None, str, float | None, float | None]]:
    return [(piece.speaker, piece.text, piece.start, piece.end) for piece in FORMAT.read(Content(text)).pieces]


def notes(text: str) -> list[str]:
    return list(FORMAT.read(Content(text)).notes.sentences())


def test_the_text_of_a_document_has_names_and_times_above_what_is_said() -> None:
    read = read_transcript(DOCUMENT)
    assert [(turn.speaker, turn.text, turn.start) for turn in read.turns] == [
        ("Pia Berg", "Does it still drip? I hear it.", 3),
        ("Kaya, Yusuf (Guest)", "It does.", 3),
        ("Pia Berg", "Oh, at 10:30", 3_723),
    ]
    assert read.reading.format == "teams"
    assert read.notes == (
        "what stands above the first speaker (a title, a date, a summary) is left out (lines 1, 2, 3 and 4)",
        "lines of the program itself, not of a speaker, are left out (line 12)",
    )


def test_an_older_document_has_times_with_names_below_them() -> None:
    read = read_transcript(CUES)
    assert [(turn.speaker, turn.text, turn.start, turn.end) for turn in read.turns] == [
        ("Pia Berg", "Does it still drip?", 0, 3.12),
        ("Yusuf Kaya", "It does: every night.", 3.5, 4.5),
        ("Pia Berg", "Oh.", 70, 71),
    ]
    assert (read.reading.format, read.notes) == ("teams", ())


def test_messages_copied_from_a_chat_are_turns_of_their_own_and_keep_their_lines() -> None:
    read = read_transcript(CHAT)
    assert [(turn.speaker, turn.text, turn.start) for turn in read.turns] == [
        ("Pia Berg", "Does it still drip?", 0),
        ("Yusuf Kaya", "It does: every night.\n\nAnd it is cold.", 60),
        ("Pia Berg", "Oh.", 14_460),
    ]
    assert (read.reading.format, read.notes) == ("teams", ())


def test_messages_of_another_day_have_dates() -> None:
    assert FORMAT.recognizes(Content(DATED_CHAT))
    assert said(DATED_CHAT) == [("Pia Berg", "Does it drip?", 0, None), ("Yusuf Kaya", "It does.", 120, None)]


def test_days_in_words_are_no_part_of_a_name() -> None:
    chat = "[Yesterday 9:05 PM] Pia Berg\nDoes it drip?\n[Monday 9:06 PM] Yusuf Kaya\nIt does.\n"
    assert said(chat) == [("Pia Berg", "Does it drip?", 0, None), ("Yusuf Kaya", "It does.", 60, None)]


def test_the_lines_of_the_program_are_known_in_other_languages() -> None:
    assert FORMAT.recognizes(Content(GERMAN))
    assert said(GERMAN) == [("Pia Berg", "Tropft es noch?", 3, None), ("Yusuf Kaya", "Ja.", 5, None)]


def test_a_time_that_is_cut_off_from_its_speech_is_left_out_and_said() -> None:
    cut = CUES + "\n0:1:12.0 --> 0:1:13.0\nYusuf Kaya\n"
    assert len(said(cut)) == 3
    assert notes(cut) == ["a time with no name and speech below it is left out (line 14)"]


@pytest.mark.parametrize(
    "other",
    [
        "1\n00:00:00,000 --> 00:00:03,120\nPia: Does it drip?\n",
        "WEBVTT\n\n0:0:0.0 --> 0:0:3.120\nPia Berg\nyes\n",
        "[9:05 AM] Pia: Does it drip?\n[9:06 AM] Yusuf: It does.\n",
        "[Pia Berg] 09:05:12\nDoes it drip?\n",
        "[0:05] it drips\n[0:09] it drips again\n",
        "",
    ],
)
def test_other_texts_are_not_taken_for_it(other: str) -> None:
    assert not FORMAT.recognizes(Content(other))


def test_a_text_without_names_and_times_is_refused() -> None:
    with pytest.raises(BadTranscript, match="no line has a name and a time as Teams writes them"):
        FORMAT.read(Content("Pia: hi"))
