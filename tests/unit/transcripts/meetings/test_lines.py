"""Lines of `Name: what was said`, in the forms in which people and programs write them."""

import pytest

from formats.errors import BadTranscript
from formats.transcripts.meetings.lines import FORMAT
from formats.transcripts.named_lines import named_line, opened
from formats.transcripts.pieces import Content
from formats.transcripts.read import read_transcript
from formats.transcripts.stamps import is_time_or_number

PLAIN = """Ana: Are you coming?

Bo: Yes.
Bo: At 10:30.
  Or later: who knows.
Ana: Good
"""
INTERVIEW = """INTERVIEWER:
How long have you lived below the roof?

PIA:
Twenty years.
One thing: it never dripped before.

INTERVIEWER:
And now?

PIA:
Every night.
"""
MARKDOWN = """**Pia:** Does it drip?
**Yusuf:** It does. *Every* night.
*Pia*: Oh.
__Yusuf__: And: it is cold.
- **Pia:** Then we call somebody.
"""
TIMED = """[00:00:05] Pia: Does it drip?
[00:00:07.500] Yusuf: It does.
[00:01:10] Pia: Oh.
"""
RANGES = """00:00:05 --> 00:00:07 Pia: Does it drip?
00:00:07 --> 00:00:09 Yusuf: It does.
"""
ABOVE = """00:00:05
Pia: Does it drip?
00:00:09
Yusuf: It does.
"""
CHINESE = "王芳：今天漏水吗？\n李雷:漏。\n王芳：哦。\n"


def said(text: str) -> list[tuple[str | None, str]]:
    return [(piece.speaker, piece.text) for piece in FORMAT.read(Content(text)).pieces]


def spans(text: str) -> list[tuple[float | None, float | None]]:
    return [(piece.start, piece.end) for piece in FORMAT.read(Content(text)).pieces]


def notes(text: str) -> list[str]:
    return list(FORMAT.read(Content(text)).notes.sentences())


def test_every_line_is_a_turn_and_an_indented_one_goes_on_with_the_turn_above() -> None:
    read = read_transcript(PLAIN)
    assert [(turn.speaker, turn.text) for turn in read.turns] == [
        ("Ana", "Are you coming?"),
        ("Bo", "Yes."),
        ("Bo", "At 10:30.\nOr later: who knows."),
        ("Ana", "Good"),
    ]
    assert (read.reading.format, read.reading.speakers, read.notes) == ("lines", {"Ana": 2, "Bo": 2}, ())


def test_what_stands_below_a_name_alone_is_what_that_name_said() -> None:
    read = read_transcript(INTERVIEW)
    assert [(turn.speaker, turn.text) for turn in read.turns] == [
        ("INTERVIEWER", "How long have you lived below the roof?"),
        ("PIA", "Twenty years.\nOne thing: it never dripped before."),
        ("INTERVIEWER", "And now?"),
        ("PIA", "Every night."),
    ]
    assert read.notes == ("`One thing` before a colon was read as speech below a name (line 6)",)


def test_the_stars_of_markdown_are_no_part_of_a_name() -> None:
    read = read_transcript(MARKDOWN)
    assert [(turn.speaker, turn.text) for turn in read.turns] == [
        ("Pia", "Does it drip?"),
        ("Yusuf", "It does. *Every* night."),
        ("Pia", "Oh."),
        ("Yusuf", "And: it is cold."),
        ("Pia", "Then we call somebody."),
    ]


def test_times_of_a_recording_become_starts() -> None:
    assert said(TIMED) == [("Pia", "Does it drip?"), ("Yusuf", "It does."), ("Pia", "Oh.")]
    assert spans(TIMED) == [(5, None), (7.5, None), (70, None)]
    assert notes(TIMED) == []
    assert spans(RANGES) == [(5, 7), (7, 9)]
    assert said(ABOVE) == [("Pia", "Does it drip?"), ("Yusuf", "It does.")]
    assert spans(ABOVE) == [(5, None), (9, None)]
    for text in (TIMED, RANGES, ABOVE):
        assert FORMAT.recognizes(Content(text))


def test_times_of_the_day_count_from_the_first_and_that_is_said() -> None:
    clock = "[23:59:30] Pia: a\n[00:00:10] Yusuf: b\n"
    assert spans(clock) == [(0, None), (40, None)]
    assert notes(clock) == ["its times were taken for times of the day: starts count from the first"]
    assert spans("21:05 Pia: a\n21:07 Yusuf: b\n") == [(0, None), (120, None)]
    assert spans("9:59 PM Pia: a\n10:01 PM Yusuf: b\n") == [(0, None), (120, None)]
    assert spans("0:05 Pia: a\n75:10 Yusuf: b\n") == [(5, None), (4_510, None)]
    assert spans("2024-05-13T21:05:12Z Pia: a\n2024-05-14T21:05:13Z Yusuf: b\n") == [(0, None), (86_401, None)]


def test_names_before_a_wide_colon_or_without_a_blank_are_names() -> None:
    read = read_transcript(CHINESE)
    assert [(turn.speaker, turn.text) for turn in read.turns] == [
        ("王芳", "今天漏水吗？"),
        ("李雷", "漏。"),
        ("王芳", "哦。"),
    ]
    assert said("Pia:Yes.\nYusuf:No.\n") == [("Pia", "Yes."), ("Yusuf", "No.")]


STAMPS = (
    "",
    "[21:05:12] ",
    "12/03/24 21.05 - ",
    "(00:01:05) ",
    "21:05 ",
    "[3] ",
    "3. ",
    "3) ",
    "#3 ",
    "00:01:05 --> 00:01:09 ",
    "[00:01:05 - 00:01:09] ",
    "2024-03-12T21:05:12Z ",
    "[2024-03-12 21:05] ",
    "12 Mar 2024, 21:05 - ",
    "12. [00:01:05] ",
    "- ",
    ">> ",
    "00:01:05,120 ",
    "00:01:05:12 ",
    "\u200f21:05 ",
)
NAMES = (
    "Pia",
    "Yusuf Kaya (they/them)",
    "Okoro, Chidi",
    "+44 20 7946 0958",
    "442079460958",
    "020-7946-0958",
    "2nd floor",
    "iPad",
    'Chidi "C." Okoro',
    "@yusuf",
    "yusuf@drip.example",
    "A.M.",
    "Guest_12",
    "Speaker #2",
    "🙂 Pia",
    "van den Berg, Jan - Roofs Ltd - The Hague",
    "a name of all in all eight small words",
    "Operator 2;",
    "עמית",
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stamp", STAMPS)
def test_whatever_stands_before_the_colon_but_times_and_numbers_is_the_name(stamp: str, name: str) -> None:
    found = named_line(f"{stamp}{name}: Yes: it drips.")
    assert found is not None
    assert (found.name, found.text) == (name, "Yes: it drips.")


@pytest.mark.parametrize(
    ("line", "name", "clock"),
    [
        ("Pia (00:05): yes", "Pia", 5),
        ("Pia [00:00:05]: yes", "Pia", 5),
        ("Pia 00:00:05: yes", "Pia", 5),
        ("Speaker 1 00:05: yes", "Speaker 1", 5),
        ("**Pia (00:05):** yes", "Pia", 5),
        ("**Pia** [00:05]: yes", "Pia", 5),
        ("**[00:05] Pia:** yes", "Pia", 5),
        ("[Pia]: yes", "Pia", None),
        ("<Pia>: yes", "Pia", None),
        ("Pia : yes", "Pia", None),
        ("_pia: yes", "_pia", None),
        ("[SPEAKER_00]: yes", "SPEAKER_00", None),
    ],
)
def test_a_time_behind_a_name_and_brackets_around_it_are_no_part_of_it(
    line: str, name: str, clock: float | None
) -> None:
    found = named_line(line)
    assert found is not None
    assert (found.name, found.text) == (name, "yes")
    assert (found.stamp.clock.seconds if found.stamp and found.stamp.clock else None) == clock


@pytest.mark.parametrize(
    "line",
    [
        "http://drip.example",
        "21:05",
        "12: twelve",
        "mailto:pia@drip.example",
        "C:\\roof",
        ": yes",
        ":)",
        "no colon",
        "x" * 201 + ": y",
    ],
)
def test_addresses_times_and_numbers_are_no_names(line: str) -> None:
    assert named_line(line) is None


@pytest.mark.parametrize(
    "text",
    ["21", "00", "[3", "12/03/24 21.05", "12/03/24, 21", "[12/03/2024, 21", "00:01:05 --> 00", "2024-03-12T21",
     "9:05 PM", "5 pm", "3.5", "2024", "50%", "#3", "12-34", "12 Mar 2024, 21", "下午9", "١٢/٠٣/٢٠٢٤"],
)  # fmt: skip
def test_times_dates_and_numbers_are_told_from_names(text: str) -> None:
    assert is_time_or_number(text)


@pytest.mark.parametrize(
    "text",
    ["16175550142", "+1 617-555-0142", "617-555-0142", "(617) 555-0142", "06 12 34 56 78", "06.12.34.56.78", "Line 3",
     "Pia", "3rd floor", "iPhone 12", "Room 21:05", ""],
)  # fmt: skip
def test_telephone_numbers_and_words_are_no_times(text: str) -> None:
    assert not is_time_or_number(text)


def strip_stamp(line: str) -> tuple[float | None, str]:
    """The seconds of the stamps that a line begins with, and the line without them."""
    stamp, rest, _ = opened(line)
    return (None if stamp is None or stamp.clock is None else stamp.clock.seconds), rest


def test_stamps_are_stripped_with_their_seconds() -> None:
    assert strip_stamp("3. [00:01:05.5] Pia: yes") == (65.5, "Pia: yes")
    assert strip_stamp("12/03/24 9:05 PM - Pia: yes") == (75_900, "Pia: yes")
    assert strip_stamp("[3] Pia: yes") == (None, "Pia: yes")
    assert strip_stamp("3rd floor: yes") == (None, "3rd floor: yes")
    assert strip_stamp("1.2.3 Pia: yes") == (None, "1.2.3 Pia: yes")


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("Ana: yes\nno colon here\n", 2, "does not begin with `Name: `: `no colon here`; indent"),
        ("  Ana: yes\n", 1, "does not begin"),
        (": yes\n", 1, "does not begin"),
        ("12: yes\n", 1, "does not begin"),
        ("Ana: yes\nBo:\n", 2, "names Bo but has no text"),
        ("Ana: yes\r\n\r\nBo:   \r\n", 3, "names Bo but has no text"),
    ],
)
def test_a_wrong_line_is_named_with_its_reason(content: str, line: int, reason: str) -> None:
    with pytest.raises(BadTranscript, match=reason) as refused:
        FORMAT.read(Content(content))
    assert refused.value.line == line


def test_where_nearly_all_lines_are_named_one_without_goes_on_and_is_noted() -> None:
    lines = ["Pia: Does it drip?", "Yusuf: It does.", "Every night.", "Pia: Oh.", "Yusuf: Yes.", "Pia: Oh."]
    read = read_transcript("\n".join(lines))
    assert [(turn.speaker, turn.text) for turn in read.turns][1] == ("Yusuf", "It does.\nEvery night.")
    assert read.notes == ("a line without a name goes on with the turn above (line 3)",)
    titled = "\n".join(["Roof, the 13th", *lines[:2], *lines[3:]])
    assert said(titled)[0] == ("Pia", "Does it drip?")
    assert notes(titled) == ["a line before the first name is left out (line 1)"]


@pytest.mark.parametrize(
    "other",
    [
        "It was late when it began to drip.\nNobody spoke: the rain was loud.\nAt 10:30 it stopped.\n",
        "Dear Pia,\n\nthe roof drips. Note: badly.\nYours\nYusuf\n",
        "name: roof\nversion: 1\nparts:\n  wall: wet\nopen:\n  - door\nother: none\n",
        "import roof\n\ndef f(x: int) -> int:\n    if x:\n        return 1\n    else:\n        return 2\n",
        "GET / HTTP/1.1\nHost: drip.example\nUser-Agent: roof\nAccept: */*\n",
        "From: pia@drip.example\nTo: yusuf@drip.example\nSubject: roof\n\nIt drips.\n",
        "INFO: started\nERROR: wet\nINFO: stopped\n",
        "Flour: 200 g\nSugar: 100 g\nEggs: three\nMilk: one cup\nSalt: a bit\nButter: 50 g\n",
        "- **Wall**: wet\n- **Door**: dry\n- **Floor**: wet\n",
        '{"a": 1}',
        "Pia: alone",
        "",
    ],
)
def test_other_texts_are_not_taken_for_lines(other: str) -> None:
    assert not FORMAT.recognizes(Content(other))
