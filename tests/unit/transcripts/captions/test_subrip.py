"""SubRip as tools and hands leave it: numbered or not, with empty lines where none belong and none where some do."""

import pytest

from formats.documents import Turn
from formats.errors import BadTranscript
from formats.transcripts.captions import sbv, srt, webvtt
from formats.transcripts.pieces import Content, Parsed, Piece
from formats.transcripts.read import read_transcript

EDITED = """1
00:00:01,000 --> 00:00:03,500
Pia: Are you <i>coming</i>
to the roof?

2
00:00:04,000 --> 00:00:05,000 X1:100 X2:600 Y1:050 Y2:100
- YUSUF: {\\an8}Yes, at 10:30.
- Pia: Good.
"""

DISC = """\ufeff1
00:00:00,500 --> 00:00:02,000
<font color="#ffff00">Where does it drip?</font>

2
00:00:02,000 --> 00:00:03,250
(drips)

3
100:00:00,000 --> 100:00:01,000
In the hall &amp; the kitchen.


"""

UNNUMBERED = """00:00:01.000 --> 00:00:03.000
Pia: Where does it drip?

00:00:03.500 --> 00:00:06.000
Yusuf: In the hall.
42

00:00:07.000 --> 00:00:08.000
Pia: 42 what?
"""

TIGHT = """1
00:00:01,000 --> 00:00:03,000
Pia: How many buckets?
2
00:00:03,500 --> 00:00:06,000
Yusuf: There are
42
3
00:00:06,500 --> 00:00:08,000
Pia: 3
4
00:00:08,500 --> 00:00:09,000
4
"""

DOUBLE_SPACED = """1

00:00:01,000 --> 00:00:03,000

Pia: How many buckets?

Two?


2

00:00:03,500 --> 00:00:06,000

Yusuf: Three.


3

00:00:06,500 --> 00:00:08,000

Pia: Oh.

"""

VOICED = """1
00:00:01,000 --> 00:00:03,000
<v Pia>Where does it drip?</v>

2
00:00:03,500 --> 00:00:06,000
<v Yusuf>Here: in the hall.</v>
"""

JOINED = """1
00:00:01,000 --> 00:00:02,000
Pia: One.

2
00:00:02,000 --> 00:00:03,000
Yusuf: Two.
1
00:00:01,000 --> 00:00:02,000
Pia: Three.
\ufeff2
00:00:02,000 --> 00:00:03,000
Yusuf: Four.
"""

FILES = {
    "edited": (
        EDITED,
        [
            Piece("Pia: Are you coming\nto the roof?", 3, None, 1.0, 3.5),
            Piece("- YUSUF: Yes, at 10:30.\n- Pia: Good.", 8, None, 4.0, 5.0),
        ],
    ),
    "disc": (
        DISC.removeprefix("\ufeff"),
        [
            Piece("Where does it drip?", 3, None, 0.5, 2.0),
            Piece("(drips)", 7, None, 2.0, 3.25),
            Piece("In the hall & the kitchen.", 11, None, 360000.0, 360001.0),
        ],
    ),
    "unnumbered": (
        UNNUMBERED,
        [
            Piece("Pia: Where does it drip?", 2, None, 1.0, 3.0),
            Piece("Yusuf: In the hall.\n42", 5, None, 3.5, 6.0),
            Piece("Pia: 42 what?", 9, None, 7.0, 8.0),
        ],
    ),
    "tight": (
        TIGHT,
        [
            Piece("Pia: How many buckets?", 3, None, 1.0, 3.0),
            Piece("Yusuf: There are\n42", 6, None, 3.5, 6.0),
            Piece("Pia: 3", 10, None, 6.5, 8.0),
            Piece("4", 13, None, 8.5, 9.0),
        ],
    ),
    "voiced": (
        VOICED,
        [
            Piece("Where does it drip?", 3, "Pia", 1.0, 3.0),
            Piece("Here: in the hall.", 7, "Yusuf", 3.5, 6.0),
        ],
    ),
    "joined": (
        JOINED,
        [
            Piece("Pia: One.", 3, None, 1.0, 2.0),
            Piece("Yusuf: Two.", 7, None, 2.0, 3.0),
            Piece("Pia: Three.", 10, None, 1.0, 2.0),
            Piece("Yusuf: Four.", 13, None, 2.0, 3.0),
        ],
    ),
}


def read(content: str) -> Parsed:
    return srt.FORMAT.read(Content(content))


def said(content: str) -> list[tuple[str | None, str]]:
    return [(piece.speaker, piece.text) for piece in read(content).pieces]


def notes(content: str) -> list[str]:
    return list(read(content).notes.sentences())


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("tool", FILES)
def test_a_file_is_read_as_what_was_said_and_when_without_a_note(tool: str, end: str) -> None:
    content, pieces = FILES[tool]
    parsed = read(content.replace("\n", end))
    assert parsed.pieces == pieces
    assert parsed.named == (tool == "voiced")
    assert parsed.kind == "cues"
    assert list(parsed.notes.sentences()) == []


@pytest.mark.parametrize("tool", FILES)
def test_it_is_told_by_its_first_times(tool: str) -> None:
    content = Content("\n" + FILES[tool][0])
    assert srt.FORMAT.recognizes(content)
    assert not webvtt.FORMAT.recognizes(content)
    assert not sbv.FORMAT.recognizes(content)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n\n",
        "1\n2\n3\n",
        "Pia: at 10:30 --> 11:45\nYusuf: no\n",
        "Pia: I wrote\n00:00:01,000 --> 00:00:02,000\nYusuf: no\n",
        "0:0:0.0 --> 0:0:3.120\nPia Lund\nGood morning.\n\n0:0:4.0 --> 0:0:12.0\nYusuf Haddad\nIt drips.\n",
        "[00:00:01.000 --> 00:00:02.000]  Good morning.\n",
        "0:00:01.000,0:00:02.000\nhm\n",
        '{"text": "00:00:01,000 --> 00:00:02,000"}',
    ],
)
def test_what_only_has_an_arrow_or_times_is_not_taken_for_it(content: str) -> None:
    assert not srt.FORMAT.recognizes(Content(content))


def test_a_title_above_the_first_number_is_left_out_and_noted() -> None:
    content = "The leaking roof\npart one\n\n" + EDITED
    assert srt.FORMAT.recognizes(Content(content))
    assert said(content) == [(None, piece.text) for piece in FILES["edited"][1]]
    assert notes(content) == ["this stands before the first cue and was left out (lines 1 and 2)"]


def test_webvtt_without_its_header_is_read() -> None:
    content = (
        "00:01.000 --> 00:02.500 align:start\n<v Pia>Good morning.\n\n00:02.500 --> 00:03.000\n<v Yusuf>It drips.\n"
    )
    assert srt.FORMAT.recognizes(Content(content))
    assert read(content).pieces == [
        Piece("Good morning.", 2, "Pia", 1.0, 2.5),
        Piece("It drips.", 5, "Yusuf", 2.5, 3.0),
    ]


def test_an_empty_line_inside_a_cue_is_noted() -> None:
    content = (
        "1\n00:00:01,000 --> 00:00:04,000\nPia: I stand here,\n\nand it drips.\n\n2\n00:00:05,000 --> 00:00:07,000\n"
    )
    content += "Yusuf: Fine.\n"
    assert read(content).pieces == [
        Piece("Pia: I stand here,\n\nand it drips.", 3, None, 1.0, 4.0),
        Piece("Yusuf: Fine.", 9, None, 5.0, 7.0),
    ]
    assert notes(content) == [
        "an empty line stands inside a cue; what follows it was read as the cue's speech (line 5)"
    ]


def test_an_empty_line_after_every_line_hides_no_number_and_no_word() -> None:
    assert read(DOUBLE_SPACED).pieces == [
        Piece("Pia: How many buckets?\n\nTwo?", 5, None, 1.0, 3.0),
        Piece("Yusuf: Three.", 14, None, 3.5, 6.0),
        Piece("Pia: Oh.", 21, None, 6.5, 8.0),
    ]
    assert said(EDITED.replace("\n", "\r\r\n")) == [
        (None, "Pia: Are you coming\n\nto the roof?"),
        (None, "- YUSUF: Yes, at 10:30.\n\n- Pia: Good."),
    ]


def test_numbers_with_gaps_are_numbers() -> None:
    content = TIGHT.replace("\n3\n00", "\n13\n00").replace("\n4\n00", "\n14\n00")
    assert said(content) == [(None, piece.text) for piece in FILES["tight"][1]]
    assert notes(content) == []


def test_a_number_that_is_said_where_the_cues_number_is_missing_stays_and_is_noted() -> None:
    content = TIGHT.replace("42\n3\n", "42\n")
    assert said(content) == [(None, piece.text) for piece in FILES["tight"][1]]
    assert notes(content) == ["a number between speech and the times of the next cue was read as speech (line 7)"]


def test_a_number_out_of_order_between_numbered_cues_is_a_number_and_is_noted() -> None:
    content = TIGHT.replace("\n4\n00", "\n9\n00")
    assert said(content) == [(None, piece.text) for piece in FILES["tight"][1]]
    assert notes(content) == [
        "a number between speech and the times of the next cue was read as the cue's number (line 11)"
    ]


def test_a_number_that_is_said_in_a_file_without_numbers_stays() -> None:
    content = "00:00:01,000 --> 00:00:02,000\nPia: There are\n42\n00:00:02,000 --> 00:00:03,000\nYusuf: Oh.\n"
    assert said(content) == [(None, "Pia: There are\n42"), (None, "Yusuf: Oh.")]


def test_blanks_and_line_ends_of_decoded_broadcasts_are_no_words() -> None:
    content = "1\n00:00:01,000 --> 00:00:02,000\n{\\an7}\\h\\hPIA: THE ROOF\\NYUSUF: LEAKS\n\n"
    content += "2\n00:00:02,000 --> 00:00:03,000\nC:\\home and C:\\New\n"
    assert said(content) == [(None, "PIA: THE ROOF\nYUSUF: LEAKS"), (None, "C:\\home and C:\\New")]


def test_a_number_above_one_cue_alone_is_noted() -> None:
    content = "00:00:01,000 --> 00:00:02,000\nPia: One.\n\n00:00:02,000 --> 00:00:03,000\nYusuf: Two.\n\n"
    content += "17\n00:00:03,000 --> 00:00:04,000\nPia: Three.\n"
    assert said(content) == [(None, "Pia: One."), (None, "Yusuf: Two."), (None, "Pia: Three.")]
    assert notes(content) == [
        "a number between speech and the times of the next cue was read as the cue's number (line 7)"
    ]


@pytest.mark.parametrize(
    "speech", ["nets --> boats", "and then --> lunch", "10:30 --> 11:45", "--> there", "1 --> 2", "a\n--> b\nc -> d"]
)
def test_an_arrow_in_speech_is_speech(speech: str) -> None:
    content = f"1\n00:00:01,000 --> 00:00:02,000\n{speech}\n\n2\n00:00:02,000 --> 00:00:03,000\nYusuf: Oh.\n"
    assert said(content) == [(None, speech), (None, "Yusuf: Oh.")]
    assert notes(content) == []


@pytest.mark.parametrize(
    ("rest", "line"),
    [
        ("3", 9),
        ("3\n00:00:0", 9),
        ("3\n00:00:06,500 -->", 10),
        ("3\n00:00:06,500 --> 00:00:08,000\n", 10),
        ("00:00:06,5", 9),
    ],
)
def test_a_file_that_is_cut_off_inside_a_cue_is_read_up_to_there_and_it_is_noted(rest: str, line: int) -> None:
    content = "1\n00:00:01,000 --> 00:00:02,000\nPia: One.\n\n2\n00:00:02,000 --> 00:00:03,000\nYusuf: Two.\n\n" + rest
    assert read(content).pieces == [
        Piece("Pia: One.", 3, None, 1.0, 2.0),
        Piece("Yusuf: Two.", 7, None, 2.0, 3.0),
    ]
    assert notes(content) == [f"the file ends inside a cue (line {line})"]


def test_times_that_cannot_be_read_begin_a_cue_and_are_noted() -> None:
    content = "\n1\n00:00:01,000 --> 00:00\nPia: One.\n\n2\n00:00:0l,000 --> 00:00:02,000\nYusuf: Two.\n"
    assert read(content).pieces == [Piece("Pia: One.", 4, None, 1.0, None), Piece("Yusuf: Two.", 8, None, None, 2.0)]
    assert notes(content) == [
        "the times of a cue cannot be read, so it has none: `00:00:01,000 --> 00:00` (line 3)",
        "the times of a cue cannot be read, so it has none: `00:00:0l,000 --> 00:00:02,000` (line 7)",
    ]


def test_a_cue_without_text_is_passed_over() -> None:
    content = (
        "1\n00:00:01,000 --> 00:00:02,000\n\n2\n00:00:02,000 --> 00:00:03,000\n3\n00:00:03,000 --> 00:00:04,000\nhm\n"
    )
    assert read(content).pieces == [Piece("hm", 8, None, 3.0, 4.0)]


@pytest.mark.parametrize(
    ("content", "line"),
    [("Pia: yes\n", 1), ("\n\nPia: yes\n1\n", 3), ("1\n00:00:01,000\nPia: x\n", 1), ("WEBVTT\n\n0 --> 1\n", 1)],
)
def test_where_no_line_is_the_times_of_a_cue_it_is_refused(content: str, line: int) -> None:
    with pytest.raises(BadTranscript, match=f"line {line} does not begin a cue, and no line does") as refused:
        read(content)
    assert refused.value.line == line


@pytest.mark.parametrize("content", ["", "  \n"])
def test_what_holds_nothing_has_no_pieces(content: str) -> None:
    assert list(read(content).pieces) == []


TURNS = {
    "edited": [
        Turn("Pia", "Are you coming to the roof?", 1.0, 3.5),
        Turn("YUSUF", "Yes, at 10:30.", 4.0, 5.0),
        Turn("Pia", "Good.", 4.0, 5.0),
    ],
    "disc": [Turn("unknown", "Where does it drip? (drips) In the hall & the kitchen.", 0.5, 360001.0)],
    "unnumbered": [
        Turn("Pia", "Where does it drip?", 1.0, 3.0),
        Turn("Yusuf", "In the hall. 42", 3.5, 6.0),
        Turn("Pia", "42 what?", 7.0, 8.0),
    ],
    "tight": [
        Turn("Pia", "How many buckets?", 1.0, 3.0),
        Turn("Yusuf", "There are 42", 3.5, 6.0),
        Turn("Pia", "3 4", 6.5, 9.0),
    ],
    "voiced": [Turn("Pia", "Where does it drip?", 1.0, 3.0), Turn("Yusuf", "Here: in the hall.", 3.5, 6.0)],
    "joined": [
        Turn("Pia", "One.", 1.0, 2.0),
        Turn("Yusuf", "Two.", 2.0, 3.0),
        Turn("Pia", "Three.", 1.0, 2.0),
        Turn("Yusuf", "Four.", 2.0, 3.0),
    ],
}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("tool", FILES)
def test_a_file_is_told_and_becomes_turns(tool: str, end: str) -> None:
    transcript = read_transcript(FILES[tool][0].replace("\n", end).encode("utf-8-sig"))
    assert list(transcript.turns) == TURNS[tool]
    assert transcript.reading.format == "srt"


def test_a_cue_without_a_name_goes_on_with_the_turn_before_and_before_any_name_is_unknown() -> None:
    content = "1\n00:00:01,000 --> 00:00:02,000\n(music)\n\n2\n00:00:02,000 --> 00:00:03,000\nPia: Yes,\n\n3\n"
    transcript = read_transcript(content + "00:00:03,000 --> 00:00:04,000\nat six.\n", speakers=["Pia"])
    assert list(transcript.turns) == [Turn("unknown", "(music)", 1.0, 2.0), Turn("Pia", "Yes, at six.", 2.0, 4.0)]
    assert transcript.reading.unnamed == 2
