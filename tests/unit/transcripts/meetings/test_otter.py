"""Otter's text: paragraphs below a name and a time."""

import pytest

from formats.errors import BadTranscript
from formats.transcripts.meetings.otter import FORMAT
from formats.transcripts.pieces import Content
from formats.transcripts.read import read_transcript

EXPORT = """Pia Berg  0:05
Does it still drip?

Yusuf Kaya  0:11
It does: every night.
And it is cold.

Yusuf Kaya  0:31
See you at 10:30

Pia Berg  1:02:03
Oh.

Transcribed by https://otter.ai
"""
SUMMARY = """The roof
Mon, May 13, 2024 9:05AM • 12:03

SUMMARY KEYWORDS
roof, drip, bucket

SPEAKERS
Pia Berg, Speaker 2

Pia Berg  00:05
Does it still drip?

Speaker 2  00:11
It does.
"""
ONE_BLANK = """Pia Berg 0:05
Does it still drip?

Yusuf Kaya 0:11
It does. It began at 0:07
in the night.

Pia Berg 1:02:03
Oh.
"""
UNKNOWN = "Unknown Speaker  0:00\r\nHello?\r\n\r\nPia Berg  0:04\r\nYes, hello.\r\n"
NO_NAMES = """0:01  
When I moved in,

0:15  
it was dry.

0:21
Now it drips.

Transcribed by https://otter.ai
"""  # noqa: W291 - as Otter writes it
TABS = "Pia Berg\t0:05\nDoes it drip?\n\nYusuf Kaya\t(0:11)\nIt does.\n"


def said(text: str) -> list[tuple[str | None, str, float | None]]:
    return [(piece.speaker, piece.text, piece.start) for piece in FORMAT.read(Content(text)).pieces]


def notes(text: str) -> list[str]:
    return list(FORMAT.read(Content(text)).notes.sentences())


def test_paragraphs_are_said_by_the_name_above_and_neighbours_of_one_speaker_are_one_turn() -> None:
    read = read_transcript(EXPORT)
    assert [(turn.speaker, turn.text, turn.start) for turn in read.turns] == [
        ("Pia Berg", "Does it still drip?", 5),
        ("Yusuf Kaya", "It does: every night. And it is cold. See you at 10:30", 11),
        ("Pia Berg", "Oh.", 3_723),
    ]
    assert (read.reading.format, read.reading.cues, read.reading.turns, read.reading.unnamed) == ("otter", 4, 3, 0)
    assert read.notes == ("lines of the program itself, not of a speaker, are left out (line 14)",)


def test_the_title_and_the_summary_are_left_out_and_said() -> None:
    assert FORMAT.recognizes(Content(SUMMARY))
    assert said(SUMMARY) == [("Pia Berg", "Does it still drip?", 5), ("Speaker 2", "It does.", 11)]
    assert notes(SUMMARY) == [
        "what stands above the first speaker (a title, a date, a summary) is left out (lines 1, 2, 4, 5, 7 and 8)"
    ]


def test_one_blank_before_the_time_is_enough_where_the_line_stands_apart() -> None:
    assert FORMAT.recognizes(Content(ONE_BLANK))
    assert said(ONE_BLANK) == [
        ("Pia Berg", "Does it still drip?", 5),
        ("Yusuf Kaya", "It does. It began at 0:07\nin the night.", 11),
        ("Pia Berg", "Oh.", 3_723),
    ]


def test_an_unknown_speaker_is_a_speaker() -> None:
    read = read_transcript(UNKNOWN)
    assert [(turn.speaker, turn.text) for turn in read.turns] == [
        ("Unknown Speaker", "Hello?"),
        ("Pia Berg", "Yes, hello."),
    ]


def test_paragraphs_without_names_are_of_nobody_and_said_to_be() -> None:
    assert said(NO_NAMES) == [(None, "When I moved in,", 1), (None, "it was dry.", 15), (None, "Now it drips.", 21)]
    read = read_transcript(NO_NAMES)
    assert [(turn.speaker, turn.text) for turn in read.turns] == [
        ("unknown", "When I moved in, it was dry. Now it drips.")
    ]
    assert (read.reading.format, read.reading.unnamed) == ("otter", 3)
    assert "nothing in it names a speaker: all of it is one speaker's, `unknown`" in read.notes


def test_a_tab_may_stand_before_the_time_and_brackets_around_it() -> None:
    assert FORMAT.recognizes(Content(TABS))
    assert said(TABS) == [("Pia Berg", "Does it drip?", 5), ("Yusuf Kaya", "It does.", 11)]


def test_a_heading_with_nothing_below_is_left_out_and_said() -> None:
    text = "Pia Berg  0:05\nYes.\n\nYusuf Kaya  0:09\n\nPia Berg  0:11\nOh.\n"
    assert said(text) == [("Pia Berg", "Yes.", 5), ("Pia Berg", "Oh.", 11)]
    assert notes(text) == ["a name with a time and nothing said below it is left out (line 4)"]


@pytest.mark.parametrize(
    "other",
    [
        "Breakfast  8:00\nLunch  12:00\nSupper  18:00\n",
        "We met at 10:30\nand left at 11:00\n",
        "Pia: see you at  10:30\nYusuf: yes\n",
        "It drips.\n\nYou said it began at 0:07\nin the night.\n",
        "",
    ],
)
def test_other_texts_are_not_taken_for_it(other: str) -> None:
    assert not FORMAT.recognizes(Content(other))


def test_a_text_without_headings_is_refused() -> None:
    with pytest.raises(BadTranscript, match="no line has a name and a time as Otter writes them") as refused:
        FORMAT.read(Content("Pia: hi"))
    assert refused.value.line == 1
