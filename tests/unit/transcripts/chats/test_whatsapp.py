"""WhatsApp's exports, as telephones of several makes and languages write them."""

import pytest

from formats.errors import BadTranscript
from formats.transcripts.chats.whatsapp import FORMAT
from formats.transcripts.pieces import Content
from formats.transcripts.read import read_transcript

ANDROID = """13/05/2024, 08:59 - Messages and calls are end-to-end encrypted. No one outside of this chat can read them.
13/05/2024, 08:59 - Pia created group "Roof"
13/05/2024, 09:00 - Pia: Does it still drip?
13/05/2024, 09:01 - Yusuf: <Media omitted>
13/05/2024, 09:01 - Yusuf: It does.

Since Monday: every night.
13/05/2024, 09:03 - Yusuf: This message was deleted
13/05/2024, 09:04 - Pia: Then we call somebody. <This message was edited>
14/05/2024, 00:04 - Yusuf: IMG-20240514-WA0003.jpg (file attached)
The bucket is full.
14/05/2024, 00:05 - Pia: offer.pdf (file attached)
offer.pdf
"""

IOS = (
    "[13/05/2024, 09:00:01] Roof: \u200eMessages and calls are end-to-end encrypted.\r\n"
    "[13/05/2024, 09:00:01] Pia: \u200ePia created this group\r\n"
    "[13/05/2024, 09:00:05] Pia: Does it still drip?\r\n"
    "\u200e[13/05/2024, 09:00:35] Yusuf: \u200eimage omitted\r\n"
    "[13/05/2024, 09:01:05] ~\u202fYusuf K.: It does.\r\nSince Monday.\r\n"
    "\u200e[13/05/2024, 09:01:25] Yusuf: This is the wall.\u200e <attached: 00000007-PHOTO-2024-05-13.jpg>\r\n"
    "[13/05/2024, 09:02:05] Pia: \u200eYou deleted this message.\r\n"
    "[13/05/2024, 09:02:25] Pia: \u200eMissed voice call\r\n"
    "[13/05/2024, 09:03:05] Pia: I call somebody.\u200e <This message was edited>\r\n"
    "\u200e[13/05/2024, 09:03:15] Pia: offer.pdf \u2022 \u200e2 pages \u200edocument omitted\r\n"
)

GERMAN = """13.05.24, 09:00 - Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt.
13.05.24, 09:00 - Pia: Tropft es noch?
13.05.24, 09:01 - Yusuf: <Medien ausgeschlossen>
13.05.24, 09:02 - Yusuf: Ja. <Diese Nachricht wurde bearbeitet.>
13.05.24, 09:03 - Pia: Du hast diese Nachricht gelöscht.
13.05.24, 09:05 - Yusuf: Wand.jpg (Datei angehängt)
"""

AMERICAN = """5/13/24, 11:58\u202fPM - Pia: Still dripping?
5/13/24, 11:59\u202fPM - +1 617-555-0142: Yes.
5/14/24, 12:01\u202fAM - Pia: Then tomorrow.
"""

ARABIC = "\u200f١٣\u200f/٠٥\u200f/٢٠٢٤، ٩:٠٠ م - ليلى: هل تقطر؟\n\u200f١٣\u200f/٠٥\u200f/٢٠٢٤، ٩:٠٢ م - عمر: نعم.\n"


def said(text: str) -> list[tuple[str | None, str]]:
    return [(piece.speaker, piece.text) for piece in FORMAT.read(Content(text)).pieces]


def starts(text: str) -> list[float | None]:
    return [piece.start for piece in FORMAT.read(Content(text)).pieces]


def notes(text: str) -> list[str]:
    return list(FORMAT.read(Content(text)).notes.sentences())


def test_an_android_chat_keeps_what_people_wrote_and_counts_the_rest() -> None:
    read = read_transcript(ANDROID)
    assert [(turn.speaker, turn.text, turn.start) for turn in read.turns] == [
        ("Pia", "Does it still drip?", 0),
        ("Yusuf", "It does.\n\nSince Monday: every night.", 60),
        ("Pia", "Then we call somebody.", 240),
        ("Yusuf", "The bucket is full.", 54_240),
    ]
    assert (read.reading.format, read.reading.unnamed) == ("whatsapp", 0)
    assert read.notes == (
        "lines of WhatsApp itself, not of a speaker, are left out (lines 1 and 2)",
        "media are left out (lines 4 and 12)",
        "deleted messages are left out (line 8)",
        "marks that a message was edited are left out (line 9)",
        "media are left out; the words beside them are kept (line 10)",
    )


def test_an_iphone_chat_is_read_through_its_marks_of_direction() -> None:
    assert said(IOS) == [
        ("Pia", "Does it still drip?"),
        ("~ Yusuf K.", "It does.\nSince Monday."),
        ("Yusuf", "This is the wall."),
        ("Pia", "I call somebody."),
    ]
    assert starts(IOS) == [0, 60, 80, 180]
    assert notes(IOS) == [
        "lines of WhatsApp itself, not of a speaker, are left out (lines 1, 2 and 9)",
        "media are left out (lines 4 and 11)",
        "media are left out; the words beside them are kept (line 7)",
        "deleted messages are left out (line 8)",
        "marks that a message was edited are left out (line 10)",
    ]


def test_a_german_chat_leaves_out_the_same() -> None:
    assert said(GERMAN) == [("Pia", "Tropft es noch?"), ("Yusuf", "Ja.")]
    assert notes(GERMAN) == [
        "lines of WhatsApp itself, not of a speaker, are left out (line 1)",
        "media are left out (lines 3 and 6)",
        "marks that a message was edited are left out (line 4)",
        "deleted messages are left out (line 5)",
    ]


def test_an_american_chat_counts_over_midnight_and_keeps_telephone_numbers_as_names() -> None:
    assert said(AMERICAN) == [("Pia", "Still dripping?"), ("+1 617-555-0142", "Yes."), ("Pia", "Then tomorrow.")]
    assert starts(AMERICAN) == [0, 60, 180]
    assert notes(AMERICAN) == []


def test_an_arabic_chat_is_read_with_its_own_digits() -> None:
    assert said(ARABIC) == [("ليلى", "هل تقطر؟"), ("عمر", "نعم.")]
    assert starts(ARABIC) == [0, 120]


@pytest.mark.parametrize(
    "stamp",
    [
        "13/05/24 21.05 - ",
        "13.05.24, 21:05 - ",
        "[13.05.24, 21:05:12] ",
        "2024-05-13, 9:05 p.m. - ",
        "13/5/24, 9:05 p. m. - ",
        "5/13/24, 9:05 PM - ",
        "13/05/24, 9:05 pm - ",
        "[5/13/24, 9:05:12\u202fPM] ",
        "2024/05/13 21:05 - ",
        "2024/5/13 下午9:05 - ",
        "[2024/5/13 下午9:05:12] ",
        "2024. 5. 13. 오후 9:05 - ",
        "13.5.2024 klo 21.05 - ",
        "13.05.24 г., 21:05 ч. - ",
        "2024. 05. 13. 21:05 - ",
        "21:05, 13/05/2024 - ",
        "2024-05-13 21 h 05 - ",
        "13/5/2567 21:05 - ",
        "13/05/14 21:05:12: ",
    ],
)
def test_the_stamps_of_many_telephones_are_no_part_of_a_name(stamp: str) -> None:
    chat = f"{stamp}Pia: Drip: again\n{stamp}Yusuf: Yes.\n{stamp}Pia: Oh."
    read = read_transcript(chat)
    assert read.reading.format == "whatsapp"
    assert [(turn.speaker, turn.text, turn.start) for turn in read.turns] == [
        ("Pia", "Drip: again", 0),
        ("Yusuf", "Yes.", 0),
        ("Pia", "Oh.", 0),
    ]


@pytest.mark.parametrize(
    "nothing",
    [
        "<Multimedia omitido>",
        "<Médias omis>",
        "<Mídia oculta>",
        "<Media omessi>",
        "<Media weggelaten>",
        "<Без медиафайлов>",
        "<Medya dahil edilmedi>",
        "<媒体文件已省略>",
        "<미디어 파일 제외>",
        "\u200eBild weggelassen",
        "\u200eimagen omitida",
        "\u200eaudio omis",
        "GIF omitted",
        "\u200e<adjunto: 0000012-AUDIO.opus>",
        "PTT-20240513-WA0001.opus (archivo adjunto)",
        "Plan (1).pdf (fichier joint)",
        "Se eliminó este mensaje.",
        "Ce message a été supprimé",
        "Questo messaggio è stato eliminato",
        "Данное сообщение удалено",
        "",
    ],
)
def test_what_nobody_wrote_is_left_out_in_many_languages_and_counted(nothing: str) -> None:
    chat = f"13/05/24, 21:05 - Pia: Look\n13/05/24, 21:05 - Yusuf: {nothing}\n13/05/24, 21:06 - Pia: So?\n"
    assert said(chat) == [("Pia", "Look"), ("Pia", "So?")]
    (note,) = notes(chat)
    assert note.endswith(" left out (line 2)")


def test_the_day_stands_first_where_a_number_above_twelve_says_so() -> None:
    chat = "01/02/24, 10:00 - Pia: a\n13/02/24, 10:00 - Pia: b\n"
    assert starts(chat) == [0, 12 * 86_400]
    assert notes(chat) == []


def test_the_month_stands_first_where_days_would_go_back_in_time() -> None:
    chat = "1/9/24, 10:00 - Pia: a\n2/8/24, 10:00 - Pia: b\n3/7/24, 10:00 - Pia: c\n"
    assert starts(chat) == [0, 30 * 86_400, 58 * 86_400]


def test_dates_that_can_be_read_in_two_ways_are_said_to_be_so() -> None:
    chat = "01/02/24, 10:00 - Pia: a\n02/02/24, 10:00 - Pia: b\n"
    assert starts(chat) == [0, 86_400]
    assert notes(chat) == ["its dates can be read in more than one way; the day was taken to stand first"]


def test_a_two_digit_year_may_stand_first() -> None:
    assert starts("24/05/13, 10:00 - Pia: a\n24/05/14, 10:00 - Pia: b\n") == [0, 86_400]


def test_dates_of_another_calendar_give_no_times() -> None:
    chat = "1403/02/31, 10:00 - Pia: a\n1403/02/31, 10:01 - Pia: b\n"
    assert starts(chat) == [None, None]
    assert notes(chat) == ["its dates are of no calendar that is read here, so that turns have no times"]


def test_a_group_name_with_a_colon_is_no_speaker() -> None:
    chat = '13/05/24, 21:05 - Pia named the group "Roof: all of us"\n13/05/24, 21:05 - Pia: Hello\n'
    assert said(chat) == [("Pia", "Hello")]
    assert notes(chat) == ["lines of WhatsApp itself, not of a speaker, are left out (line 1)"]


def test_a_display_name_in_quotation_marks_is_a_name() -> None:
    chat = '13/05/24, 21:05 - Yusuf "Joe" Kaya: Hello\n13/05/24, 21:06 - Pia: Hi\n'
    assert said(chat) == [('Yusuf "Joe" Kaya', "Hello"), ("Pia", "Hi")]


def test_what_stands_above_the_first_message_is_left_out_and_said() -> None:
    chat = "of an older message\n13/05/24, 21:05 - Pia: Hello\n"
    assert said(chat) == [("Pia", "Hello")]
    assert notes(chat) == ["a line before the first message is left out (line 1)"]


def test_german_quotation_marks_are_told_apart_in_the_same_way() -> None:
    chat = "13.05.24, 21:05 - Yusuf „Joe“ Kaya: Ja\n13.05.24, 21:06 - Pia hat „Dach“ in „Dach: wir alle“ umbenannt\n"
    assert said(chat) == [("Yusuf „Joe“ Kaya", "Ja")]


@pytest.mark.parametrize(
    "other",
    [
        "Pia: Does it drip?\nYusuf: Yes.\n",
        "On 13/05/24 the roof leaked: badly.\nNobody came.\n",
        "2024-05-13 21:05:12: INFO: started\n2024-05-13 21:05:13: ERROR: stopped\n",
        "21:05:12 From Pia to Everyone : hello\n",
        "",
    ],
)
def test_other_texts_are_not_taken_for_a_chat(other: str) -> None:
    assert not FORMAT.recognizes(Content(other))


def test_a_text_without_any_message_is_refused() -> None:
    with pytest.raises(BadTranscript, match="no line begins as WhatsApp's do") as refused:
        FORMAT.read(Content("Pia: hello"))
    assert refused.value.line == 1
