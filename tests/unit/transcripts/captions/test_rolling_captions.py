"""Rolling captions say each thing once; what people say twice in captions of any kind stays said twice."""

import pytest

from formats.documents import Turn
from formats.transcripts.captions import sbv, srt, webvtt
from formats.transcripts.pieces import Content, Parsed, Piece, TranscriptFormat
from formats.transcripts.read import read_transcript

YOUTUBE = """WEBVTT
Kind: captions
Language: en

00:00:00.240 --> 00:00:02.510 align:start position:0%
\x20
Pia:<00:00:00.560><c> the</c><00:00:00.880><c> roof</c><00:00:01.200><c> leaks</c>

00:00:02.510 --> 00:00:02.520 align:start position:0%
Pia: the roof leaks
\x20

00:00:02.520 --> 00:00:04.630 align:start position:0%
Pia: the roof leaks
over<00:00:02.900><c> the</c><00:00:03.300><c> hall</c>

00:00:04.630 --> 00:00:04.640 align:start position:0%
over the hall
\x20

00:00:04.640 --> 00:00:06.710 align:start position:0%
over the hall
no

00:00:06.710 --> 00:00:06.720 align:start position:0%
no
\x20

00:00:06.720 --> 00:00:08.010 align:start position:0%
no
no

00:00:08.010 --> 00:00:08.020 align:start position:0%
no
\x20

00:00:08.020 --> 00:00:10.090 align:start position:0%
no
Yusuf:<00:00:08.500><c> fetch</c><00:00:09.000><c> a</c><00:00:09.300><c> bucket</c>

00:00:10.090 --> 00:00:10.100 align:start position:0%
Yusuf: fetch a bucket
\x20
"""

YOUTUBE_SAID = [
    Piece("Pia: the roof leaks", 7, None, 0.24, 2.51),
    Piece("over the hall", 15, None, 2.52, 4.63),
    Piece("no", 23, None, 4.64, 6.71),
    Piece("no", 31, None, 6.72, 8.01),
    Piece("Yusuf: fetch a bucket", 39, None, 8.02, 10.09),
]

YOUTUBE_AS_SUBRIP = """1
00:00:00,240 --> 00:00:02,510

Pia: the roof leaks

2
00:00:02,510 --> 00:00:02,520
Pia: the roof leaks


3
00:00:02,520 --> 00:00:04,630
Pia: the roof leaks
over the hall

4
00:00:04,630 --> 00:00:04,640
over the hall


5
00:00:04,640 --> 00:00:06,710
over the hall
Yusuf: fetch a bucket

6
00:00:06,710 --> 00:00:06,720
Yusuf: fetch a bucket

"""

ON_ONE_LINE = """1
00:00:00,240 --> 00:00:02,510
Pia: the roof leaks

2
00:00:02,510 --> 00:00:02,520
Pia: the roof leaks

3
00:00:02,520 --> 00:00:04,630
Pia: the roof leaks over the hall

4
00:00:04,630 --> 00:00:04,640
over the hall

5
00:00:04,640 --> 00:00:06,710
over the hall Yusuf: fetch a bucket

6
00:00:06,710 --> 00:00:06,720
Yusuf: fetch a bucket
"""

WORD_BY_WORD_MARKED = """1
00:00:00,000 --> 00:00:00,400
<u>Fetch</u> a bucket.

2
00:00:00,400 --> 00:00:00,600
Fetch <u>a</u> bucket.

3
00:00:00,600 --> 00:00:01,100
Fetch a <u>bucket.</u>

4
00:00:01,100 --> 00:00:01,500
Fetch a bucket.

5
00:00:01,500 --> 00:00:01,900
<u>It</u> drips.

6
00:00:01,900 --> 00:00:02,500
It <u>drips.</u>
"""


def subrip(*cues: str, gap: int = 0, seconds: int = 2) -> str:
    """Cues that follow each other at once, or with a gap of so many milliseconds."""
    blocks = []
    for number, cue in enumerate(cues):
        start = number * seconds * 1000
        end = start + seconds * 1000 - gap
        times = " --> ".join(f"00:{at // 60_000:02}:{at // 1000 % 60:02},{at % 1000:03}" for at in (start, end))
        blocks.append(f"{number + 1}\n{times}\n{cue}\n")
    return "\n".join(blocks)


def read(content: str, form: TranscriptFormat = srt.FORMAT) -> Parsed:
    return form.read(Content(content))


def said(*cues: str, gap: int = 0) -> list[str]:
    return [piece.text for piece in read(subrip(*cues, gap=gap)).pieces]


def notes(parsed: Parsed) -> list[str]:
    return list(parsed.notes.sentences())


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_youtubes_captions_are_said_once_and_what_is_said_twice_is_said_twice(end: str) -> None:
    parsed = read(YOUTUBE.replace("\n", end), webvtt.FORMAT)
    assert parsed.pieces == YOUTUBE_SAID
    assert notes(parsed) == ["rolling captions: 9 repeated lines left out"]


@pytest.mark.parametrize("row", ["\x20", ""], ids=["with a blank", "without"])
def test_youtubes_captions_as_subrip_are_said_once(row: str) -> None:
    parsed = read(YOUTUBE_AS_SUBRIP.replace(",510\n\nPia", f",510\n{row}\nPia"))
    assert parsed.pieces == [
        Piece("Pia: the roof leaks", 4, None, 0.24, 2.51),
        Piece("over the hall", 14, None, 2.52, 4.63),
        Piece("Yusuf: fetch a bucket", 24, None, 4.64, 6.71),
    ]
    assert notes(parsed) == ["rolling captions: 5 repeated lines left out"]


def test_rolling_lines_that_a_tool_wrote_on_one_line_are_said_once_and_names_begin_lines() -> None:
    parsed = read(ON_ONE_LINE)
    assert parsed.pieces == [
        Piece("Pia: the roof leaks", 3, None, 0.24, 2.51),
        Piece("over the hall", 11, None, 2.52, 4.63),
        Piece("Yusuf: fetch a bucket", 19, None, 4.64, 6.71),
    ]
    assert notes(parsed) == ["rolling captions: 5 repeated lines left out"]


def test_a_brief_cue_and_the_long_one_with_the_same_words_after_it_are_one() -> None:
    lines = ("Pia: the roof leaks", "over the hall", "Yusuf: fetch a bucket")
    content = "".join(
        f"00:00:0{at},000 --> 00:00:0{at},010\n{line}\n\n00:00:0{at},010 --> 00:00:0{at + 2},000\n{line}\n\n"
        for at, line in zip((0, 2, 4), lines, strict=True)
    )
    assert [(piece.text, piece.start, piece.end) for piece in read(content).pieces] == [
        (line, at, at + 2.0) for at, line in zip((0.0, 2.0, 4.0), lines, strict=True)
    ]


def test_nothing_is_said_in_a_hundredth_of_a_second() -> None:
    begin = YOUTUBE[: YOUTUBE.index("00:00:02.520")]
    assert read(begin, webvtt.FORMAT).pieces == YOUTUBE_SAID[:1]
    ordinary = subrip("Is it the roof?", "No.", "It is the pipe.", "Oh.", "Oh.", "So it is.")
    brief = "1\n00:00:12,000 --> 00:00:12,010\nSo it is.\n"
    parsed = read(f"{ordinary}\n{brief}")
    assert [piece.text for piece in parsed.pieces] == [
        "Is it the roof?", "No.", "It is the pipe.", "Oh.", "Oh.", "So it is."
    ]  # fmt: skip
    assert notes(parsed) == ["rolling captions: 1 repeated line left out"]


def test_a_cue_that_stands_twice_with_the_same_times_is_read_once_and_is_noted() -> None:
    once, after = "00:00:01,000 --> 00:00:02,000\nNo.\n\n", "00:00:02,000 --> 00:00:03,000\nNo.\n\n"
    parsed = read(once + once + after)
    assert parsed.pieces == [Piece("No.", 2, None, 1.0, 2.0), Piece("No.", 8, None, 2.0, 3.0)]
    assert notes(parsed) == ["a cue stands twice with the same times and was read once (line 5)"]
    untimed = "00:00:00,000 --> 00:00:00,000\nNo.\n\n"
    assert [piece.text for piece in read(untimed * 4).pieces] == ["No."] * 4


@pytest.mark.parametrize("gap", [0, 33, 500, 1000], ids=["at once", "after a frame", "after half a second", "later"])
def test_two_lines_that_roll_up_are_said_once(gap: int) -> None:
    roof, hall, bucket, which = "Pia: the roof leaks", "over the hall", "Yusuf: fetch a bucket", "Pia: which one?"
    cues = (roof, f"{roof}\n{hall}", f"{hall}\n{bucket}", f"{bucket}\n{which}")
    assert said(*cues, gap=gap) == [roof, hall, bucket, which]
    assert notes(read(subrip(*cues, gap=gap))) == ["rolling captions: 3 repeated lines left out"]


def test_three_lines_that_roll_up_are_said_once() -> None:
    lines = [">> PIA: THE ROOF LEAKS", "OVER THE HALL.", "AND IT RAINS.", ">> YUSUF: FETCH", "A BUCKET.", "OR TWO."]
    cues = ["\n".join(lines[max(0, shown - 3) : shown]) for shown in range(1, 7)]
    assert cues[3] == "OVER THE HALL.\nAND IT RAINS.\n>> YUSUF: FETCH"
    parsed = read(subrip(*cues))
    assert [(piece.text, piece.line, piece.start) for piece in parsed.pieces] == [
        (">> PIA: THE ROOF LEAKS", 3, 0.0),
        ("OVER THE HALL.", 8, 2.0),
        ("AND IT RAINS.", 14, 4.0),
        (">> YUSUF: FETCH", 20, 6.0),
        ("A BUCKET.", 26, 8.0),
        ("OR TWO.", 32, 10.0),
    ]
    assert notes(parsed) == ["rolling captions: 9 repeated lines left out"]


def test_two_lines_at_once_that_roll_up_together_are_said_once() -> None:
    assert said("a roof\nleaks", "a roof\nleaks\nit rains\nin here", "it rains\nin here\nfetch\na bucket") == [
        "a roof\nleaks",
        "it rains\nin here",
        "fetch\na bucket",
    ]


def test_a_person_who_repeats_herself_in_rolling_captions_has_said_it_twice() -> None:
    cues = ("Pia: it leaks", "Pia: it leaks\nNo, no.", "No, no.\nNo, no.", "No, no.\nNo, no.", "No, no.\nYusuf: Yes.")
    assert said(*cues) == ["Pia: it leaks", "No, no.", "No, no.", "No, no.", "Yusuf: Yes."]


def test_three_lines_of_which_two_are_the_same_are_both_said() -> None:
    lines = ["it leaks", "no", "no", "no", "fetch a bucket", "which one"]
    cues = ["\n".join(lines[max(0, shown - 3) : shown]) for shown in range(1, 7)]
    assert said(*cues) == lines


def test_two_people_who_say_the_same_in_rolling_captions_have_both_said_it() -> None:
    cues = ("Pia: Ready?", "Pia: Ready?\nYusuf: Yes.", "Yusuf: Yes.\nOlena: Yes.", "Olena: Yes.\nPia: Then go.")
    assert said(*cues) == ["Pia: Ready?", "Yusuf: Yes.", "Olena: Yes.", "Pia: Then go."]


def test_rolling_lines_of_a_voice_are_the_same_only_where_the_voice_is() -> None:
    cues = ("<v Pia>It leaks", "<v Pia>It leaks\n<v Yusuf>Yes", "<v Yusuf>Yes\n<v Olena>Yes", "<v Olena>Yes\n<v Pia>Go")
    assert [(piece.speaker, piece.text) for piece in read(subrip(*cues)).pieces] == [
        ("Pia", "It leaks"),
        ("Yusuf", "Yes"),
        ("Olena", "Yes"),
        ("Pia", "Go"),
    ]


def test_a_line_that_comes_back_after_the_screen_was_cleared_was_said_again() -> None:
    content = subrip("a", "a\nb", "b\nc", "c\nd").replace(
        "00:00:06,000 --> 00:00:08,000", "00:00:16,000 --> 00:00:18,000"
    )
    assert [piece.text for piece in read(content).pieces] == ["a", "b", "c", "c\nd"]


def test_rolling_captions_in_sbv_are_said_once() -> None:
    content = "0:00:01.000,0:00:02.000\na roof\n\n0:00:02.000,0:00:03.000\na roof\nleaks\n\n"
    content += "0:00:03.000,0:00:04.000\nleaks\nagain\n"
    assert read(content, sbv.FORMAT).pieces == [
        Piece("a roof", 2, None, 1.0, 2.0),
        Piece("leaks", 6, None, 2.0, 3.0),
        Piece("again", 10, None, 3.0, 4.0),
    ]


def test_captions_that_grow_word_by_word_are_one() -> None:
    cues = (
        "Pia: the",
        "Pia: the roof",
        "Pia: the roof leaks",
        "Pia: the roof leaks",
        "Yusuf: fetch",
        "Yusuf: fetch it",
    )
    parsed = read(subrip(*cues))
    assert parsed.pieces == [
        Piece("Pia: the roof leaks", 3, None, 0.0, 6.0),
        Piece("Yusuf: fetch it", 19, None, 8.0, 12.0),
    ]
    assert notes(parsed) == ["rolling captions: 4 repeated lines left out"]


def test_captions_that_grow_letter_by_letter_below_a_line_that_rolls_are_one() -> None:
    cues = ("IT LEAKS", "IT LEAKS\nFE", "IT LEAKS\nFETC", "IT LEAKS\nFETCH A", "FETCH A\nBUC", "FETCH A\nBUCKET")
    assert said(*cues) == ["IT LEAKS", "FETCH A", "BUCKET"]


def test_a_cue_in_which_the_word_is_marked_that_is_said_is_one() -> None:
    assert read(WORD_BY_WORD_MARKED).pieces == [
        Piece("Fetch a bucket.", 3, None, 0.0, 1.5),
        Piece("It drips.", 19, None, 1.5, 2.5),
    ]


def test_a_part_of_a_file_that_rolls_is_said_once_and_the_rest_is_left_alone() -> None:
    ordinary = [f"one thing {number}" if number % 3 else "Yes." for number in range(40)]
    rolling = [f"line {number}\nline {number + 1}" for number in range(8)]
    assert said(*ordinary, *rolling, "No.", "No.") == [
        *ordinary,
        "line 0\nline 1",
        *(f"line {number}" for number in range(2, 9)),
        "No.",
        "No.",
    ]


def test_a_line_that_grows_twice_in_a_file_of_ordinary_captions_is_one() -> None:
    ordinary = ("Yusuf: Which bucket?", "Pia: The red one.", "Yusuf: Yes.", "Yusuf: Yes.", "Pia: Good.", "Yusuf: Now?")
    cues = ("Pia: fetch", "Pia: fetch a", "Pia: fetch a bucket", "Pia: fetch a bucket", *ordinary)
    assert said(*cues) == ["Pia: fetch a bucket", *ordinary]


ORDINARY = {
    "an answer twice": ("Is it the roof?", "No.", "No.", "It is the pipe."),
    "an answer of two people": ("Pia: Is it the roof?", "Yusuf: Yes.", "Olena: Yes.", "Pia: Then go."),
    "two people without names": ("- Is it the roof?\n- No.", "No.", "- No.\n- It is the pipe.", "Oh.", "So it is."),
    "two people in different type": ("<i>Is it the roof?</i>", "No.", "<i>No.</i>", "No.", "It is the pipe."),
    "a refrain of one line": ("Drip, drip, drop", "Drip, drip, drop", "little leak", "Drip, drip, drop", "all night"),
    "a refrain of two lines": ("Drip, drop\nall night", "Drip, drop\nall night", "leak, leak\nuntil light") * 3,
    "a refrain that turns": ("Drip, drop\nall night", "all night\nDrip, drop", "Drip, drop\nall night") * 4,
    "a song of many verses": tuple(
        cue
        for verse in range(5)
        for cue in (f"Verse {verse}\nDrip", "Drip\ndrop", f"and so it goes {verse}", "Drip, drop")
    ),
    "more and more of the same": ("No", "No, no", "No, no, no", "It is the pipe."),
    "a sentence that begins as another": ("I", "I think so.", "It drips.", "It drips again.", "Then go.", "Now."),
}


@pytest.mark.parametrize("gap", [0, 40, 500], ids=["at once", "after a frame", "after half a second"])
@pytest.mark.parametrize("kind", ORDINARY)
def test_what_is_said_twice_in_ordinary_captions_stays(kind: str, gap: int) -> None:
    cues = ORDINARY[kind]
    parsed = read(subrip(*cues, gap=gap))
    assert [piece.text for piece in parsed.pieces] == [cue.replace("<i>", "").replace("</i>", "") for cue in cues]
    assert not any("left out" in note for note in notes(parsed))


def test_a_line_that_is_repeated_once_is_kept_and_noted() -> None:
    parsed = read(subrip("It leaks.\nNo.", "No.\nIt is the pipe.", "Oh.", "So it is."))
    assert [piece.text for piece in parsed.pieces] == ["It leaks.\nNo.", "No.\nIt is the pipe.", "Oh.", "So it is."]
    assert notes(parsed) == [
        "a cue begins with the last line of the cue before; these captions do not roll, so it was said twice (line 8)"
    ]


def test_words_with_times_of_their_own_are_no_sign_of_rolling() -> None:
    content = "WEBVTT\n\n" + "\n".join(
        f"00:0{number}.000 --> 00:0{number + 1}.000\n<v {name}>no<00:0{number}.500><c> no</c>\n"
        for number, name in enumerate(("Pia", "Yusuf", "Yusuf", "Pia"))
    )
    pieces = read(content, webvtt.FORMAT).pieces
    assert [(piece.speaker, piece.text) for piece in pieces] == [
        (name, "no no") for name in ("Pia", "Yusuf", "Yusuf", "Pia")
    ]


@pytest.mark.parametrize("content", [YOUTUBE, YOUTUBE_AS_SUBRIP, ON_ONE_LINE], ids=["webvtt", "srt", "one line"])
def test_rolling_captions_become_turns_with_their_speakers(content: str) -> None:
    transcript = read_transcript(content)
    said_no, end = (" no no", 10.09) if content == YOUTUBE else ("", 6.71)
    first = 8.01 if content == YOUTUBE else 4.63
    assert list(transcript.turns) == [
        Turn("Pia", f"the roof leaks over the hall{said_no}", 0.24, first),
        Turn("Yusuf", "fetch a bucket", first + 0.01, end),
    ]
    assert transcript.notes[0].startswith("rolling captions: ")
