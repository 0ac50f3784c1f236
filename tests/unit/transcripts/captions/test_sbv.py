"""SBV as YouTube gives it, and as hands leave it."""

import pytest

from formats.documents import Turn
from formats.errors import BadTranscript
from formats.transcripts.captions import sbv, srt, webvtt
from formats.transcripts.pieces import Content, Parsed, Piece
from formats.transcripts.read import read_transcript

NAMED = """0:00:00.599,0:00:04.160
>> PIA: Good morning, my name is Pia
and I live below the roof.

0:00:04.160,0:00:06.770
>> YUSUF: It drips.
"""

PLAIN = """0:00:01.000,0:00:03.000
Good morning.

1:00:03.500,1:00:06.000
It drips & drips.
"""

OVERLAPPING = """0:00:01.000,0:00:03.000
Good morning,

0:00:02.500,0:00:06.000
it drips.


"""

BREAKS = """00:00:01.00,00:00:03.00
Pia: Good morning.[br]Yusuf: It drips.

00:00:03.50,00:00:06.00
Yusuf: <i>Again.</i>
"""

TIGHT = """0:00:01.000,0:00:03.000
Pia: How many buckets?
3
0:00:03.500,0:00:06.000
Yusuf: 1,000,000
"""

FILES = {
    "named": (
        NAMED,
        [
            Piece(">> PIA: Good morning, my name is Pia\nand I live below the roof.", 2, None, 0.599, 4.16),
            Piece(">> YUSUF: It drips.", 6, None, 4.16, 6.77),
        ],
    ),
    "plain": (
        PLAIN,
        [
            Piece("Good morning.", 2, None, 1.0, 3.0),
            Piece("It drips & drips.", 5, None, 3603.5, 3606.0),
        ],
    ),
    "overlapping": (
        OVERLAPPING,
        [Piece("Good morning,", 2, None, 1.0, 3.0), Piece("it drips.", 5, None, 2.5, 6.0)],
    ),
    "breaks": (
        BREAKS,
        [
            Piece("Pia: Good morning.\nYusuf: It drips.", 2, None, 1.0, 3.0),
            Piece("Yusuf: Again.", 5, None, 3.5, 6.0),
        ],
    ),
    "tight": (
        TIGHT,
        [
            Piece("Pia: How many buckets?\n3", 2, None, 1.0, 3.0),
            Piece("Yusuf: 1,000,000", 5, None, 3.5, 6.0),
        ],
    ),
}


def read(content: str) -> Parsed:
    return sbv.FORMAT.read(Content(content))


def notes(content: str) -> list[str]:
    return list(read(content).notes.sentences())


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("tool", FILES)
def test_a_file_is_read_as_what_was_said_and_when_without_a_note(tool: str, end: str) -> None:
    content, pieces = FILES[tool]
    parsed = read(content.replace("\n", end))
    assert parsed.pieces == pieces
    assert not parsed.named
    assert parsed.kind == "cues"
    assert list(parsed.notes.sentences()) == []


@pytest.mark.parametrize("tool", FILES)
def test_it_is_told_by_its_first_line(tool: str) -> None:
    content = Content("\n" + FILES[tool][0])
    assert sbv.FORMAT.recognizes(content)
    assert not srt.FORMAT.recognizes(content)
    assert not webvtt.FORMAT.recognizes(content)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n",
        "Pia: 0:00:01.000,0:00:03.000\n",
        "1\n" + PLAIN,
        "0:00:01.000,0:00:03.000 Pia\n",
        "12.03.24, 21:05\nhm\n",
    ],
)
def test_what_does_not_begin_with_two_times_is_not_taken_for_it(content: str) -> None:
    assert not sbv.FORMAT.recognizes(Content(content))


def test_an_empty_line_inside_a_cue_and_words_above_the_first_are_noted() -> None:
    content = "Captions\n\n" + PLAIN.replace("Good morning.", "Good\n\nmorning.")
    assert [piece.text for piece in read(content).pieces] == ["Good\n\nmorning.", "It drips & drips."]
    assert notes(content) == [
        "this stands before the first cue and was left out (line 1)",
        "an empty line stands inside a cue; what follows it was read as the cue's speech (line 6)",
    ]


@pytest.mark.parametrize("rest", ["\n1:00:07.000,1:00", "\n1:00:07.000,1:00:08.000", "\n1:00:07.000,1:00:08.000\n"])
def test_a_file_that_is_cut_off_inside_a_cue_is_read_up_to_there_and_it_is_noted(rest: str) -> None:
    assert read(PLAIN + rest).pieces == FILES["plain"][1]
    assert notes(PLAIN + rest) == ["the file ends inside a cue (line 7)"]


def test_where_no_line_is_the_times_of_a_cue_it_is_refused() -> None:
    with pytest.raises(BadTranscript, match="line 2 does not begin a cue, and no line does") as refused:
        read("\nPia: yes\n")
    assert refused.value.line == 2


def test_what_holds_nothing_has_no_pieces() -> None:
    assert list(read(" \n").pieces) == []


TURNS = {
    "named": [
        Turn("PIA", "Good morning, my name is Pia and I live below the roof.", 0.599, 4.16),
        Turn("YUSUF", "It drips.", 4.16, 6.77),
    ],
    "plain": [Turn("unknown", "Good morning. It drips & drips.", 1.0, 3606.0)],
    "overlapping": [Turn("unknown", "Good morning, it drips.", 1.0, 6.0)],
    "breaks": [Turn("Pia", "Good morning.", 1.0, 3.0), Turn("Yusuf", "It drips. Again.", 1.0, 6.0)],
    "tight": [Turn("Pia", "How many buckets? 3", 1.0, 3.0), Turn("Yusuf", "1,000,000", 3.5, 6.0)],
}


@pytest.mark.parametrize("tool", FILES)
def test_a_file_is_told_and_becomes_turns(tool: str) -> None:
    transcript = read_transcript(FILES[tool][0].encode())
    assert list(transcript.turns) == TURNS[tool]
    assert transcript.reading.format == "sbv"
