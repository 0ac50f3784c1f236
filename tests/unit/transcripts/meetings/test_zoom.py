"""Zoom's saved chats and captions."""

import pytest

from formats.errors import BadTranscript
from formats.transcripts.meetings.zoom import FORMAT
from formats.transcripts.pieces import Content
from formats.transcripts.read import read_transcript

OLD = (
    "21:05:12\t From Pia Berg to Everyone : Does it drip: yes or no?\n"
    "21:05:30\t From Yusuf Kaya to Pia Berg(Privately) : It does : )\n"
    "21:06:02\t From Pia Berg : Oh.\nAnd now?\n"
)
NEW = (
    "21:05:12 From  Pia Berg  to  Everyone:\r\n\tDoes it drip?\r\n"
    "21:05:30 From  Welcome to Roofs  to  Everyone:\r\n"
    '\tReplying to "Does it drip?"\r\n\t\r\n\tIt does.\r\n\tBadly.\r\n'
    '21:05:31 From  Ify  to  Everyone:\r\n\tReacted to "It does." with 👍\r\n'
    '21:05:40 From  Ify  to  Everyone:\r\n\tRemoved a 👍 reaction from "It does."\r\n'
    "21:06:12 From Pia Berg to Yusuf Kaya(Direct Message):\r\n\tOh.\r\n"
)
DATED = (
    "2024-05-13 23:59:50 From Pia Berg to Everyone:\n    Does it drip?\n"
    "2024-05-14 00:00:10 From Yusuf Kaya to Everyone:\n    It does.\n"
)
WEBSITE = (
    "00:09:09\tPia Berg:\tDoes it drip?\n"
    '00:09:43\t Yusuf Kaya:\tReplying to "Does it drip?"\n\nIt does: badly.\n'
    '00:10:00\tIfy:\tReacted to "It does..." with 😮\n'
)
CAPTIONS = "[Pia Berg] 21:05:12\nDoes it drip?\n\n[Yusuf Kaya] 21:05:20\nIt does.\n\n[Yusuf Kaya] 21:05:25\nBadly.\n"


def said(text: str) -> list[tuple[str | None, str, float | None]]:
    return [(piece.speaker, piece.text, piece.start) for piece in FORMAT.read(Content(text)).pieces]


def notes(text: str) -> list[str]:
    return list(FORMAT.read(Content(text)).notes.sentences())


def test_an_old_chat_has_a_message_a_line() -> None:
    read = read_transcript(OLD)
    assert [(turn.speaker, turn.text, turn.start) for turn in read.turns] == [
        ("Pia Berg", "Does it drip: yes or no?", 0),
        ("Yusuf Kaya", "It does : )", 18),
        ("Pia Berg", "Oh.\nAnd now?", 50),
    ]
    assert read.reading.format == "zoom"
    assert read.notes == ("messages to one person alone are kept (line 2)",)


def test_a_newer_chat_has_messages_below_their_headers_and_no_reactions() -> None:
    read = read_transcript(NEW)
    assert [(turn.speaker, turn.text, turn.start) for turn in read.turns] == [
        ("Pia Berg", "Does it drip?", 0),
        ("Welcome to Roofs", "It does.\nBadly.", 18),
        ("Pia Berg", "Oh.", 60),
    ]
    assert read.notes == (
        "what a message answers to (`Replying to ...`) is left out (line 3)",
        "reactions are left out (lines 8 and 10)",
        "messages to one person alone are kept (line 12)",
    )


def test_a_chat_with_dates_counts_over_midnight() -> None:
    assert FORMAT.recognizes(Content(DATED))
    assert said(DATED) == [("Pia Berg", "Does it drip?", 0), ("Yusuf Kaya", "It does.", 20)]


def test_the_chat_of_a_recording_has_times_of_the_recording() -> None:
    read = read_transcript(WEBSITE)
    assert [(turn.speaker, turn.text, turn.start) for turn in read.turns] == [
        ("Pia Berg", "Does it drip?", 549),
        ("Yusuf Kaya", "It does: badly.", 583),
    ]
    assert read.reading.format == "zoom"


def test_saved_captions_are_cues_with_times_of_the_day() -> None:
    read = read_transcript(CAPTIONS)
    assert [(turn.speaker, turn.text, turn.start) for turn in read.turns] == [
        ("Pia Berg", "Does it drip?", 0),
        ("Yusuf Kaya", "It does. Badly.", 8),
    ]
    assert (read.reading.format, read.reading.cues) == ("zoom", 3)
    assert read.notes == ("its times were taken for times of the day: starts count from the first",)


def test_what_stands_above_the_first_message_and_messages_without_text_are_said() -> None:
    text = "Chat of the roof\n" + OLD + "21:07:00\t From Ify to Everyone : \n"
    assert len(said(text)) == 3
    assert notes(text) == [
        "what stands above the first speaker (a title, a date, a summary) is left out (line 1)",
        "messages to one person alone are kept (line 3)",
        "messages without text are left out (line 6)",
    ]


def test_a_chat_in_another_language_has_its_own_words_before_the_names() -> None:
    text = "21:05:12\t Von  Pia Berg  an  Alle : Tropft es?\n21:05:20\t Von Yusuf an Pia Berg(Direktnachricht) : Ja.\n"
    assert FORMAT.recognizes(Content(text))
    assert said(text) == [("Pia Berg", "Tropft es?", 0), ("Yusuf", "Ja.", 8)]
    assert notes(text) == ["messages to one person alone are kept (line 2)"]


@pytest.mark.parametrize(
    "other",
    [
        "21:05:12 De Vries: it drips\n",
        "21:05:12 Pia: From here to there: yes\n",
        "[21:05:12] Pia Berg\nyes\n",
        "From Pia to Yusuf: yes\n",
        "00:09:09\tPia Berg\tyes\n",
        "",
    ],
)
def test_other_texts_are_not_taken_for_it(other: str) -> None:
    assert not FORMAT.recognizes(Content(other))


def test_a_text_without_messages_is_refused() -> None:
    with pytest.raises(BadTranscript, match="no line begins as Zoom's do"):
        FORMAT.read(Content("Pia: hi"))
