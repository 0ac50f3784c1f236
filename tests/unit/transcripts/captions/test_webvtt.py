"""WebVTT as real tools write it, and as it arrives: joined, cut off, without the empty lines it should have."""

import pytest

from formats.documents import Turn
from formats.errors import BadTranscript
from formats.transcripts.captions import sbv, srt, webvtt
from formats.transcripts.pieces import Content, Parsed, Piece
from formats.transcripts.read import read_transcript

BROADCAST = """WEBVTT - the evening programme
X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000

REGION
id:fred
width:40%
lines:3
regionanchor:0%,100%
viewportanchor:10%,90%
scroll:up

STYLE
::cue(v[voice="Pia"]) {
  color: lime;
}

STYLE
::cue { background-image: linear-gradient(to bottom, dimgray, lightgray); }

NOTE
several lines
of a note

NOTE one line

intro
00:00:00.000 --> 00:00:05.000 region:fred align:left line:63%,start position:72%,line-left size:50% vertical:rl
<v.first.loud Pia>Hi, I am <b>Pia</b> &lt;ok&gt; &amp; <lang en-GB>fine</lang>&nbsp;now</v>

00:06.000 --> 00:08.250
- <v Yusuf>Hi
- <v Olena>Hello <ruby>漢<rt>kan</rt>字<rt>ji</ruby>

NOTE between

100:00:00.000 --> 100:00:05.000
<v Olena>I <100:00:01.000>say <c.yellow.bg_blue><100:00:02.500>this</c>: late"""

TEAMS = """WEBVTT

4a0a6c0c-8a23-4f0b-b4e6-0b9d1b5b3b0a/12-0
00:00:03.120 --> 00:00:05.480
<v Pia Lund>Good morning, let us
look at the roof.</v>

4a0a6c0c-8a23-4f0b-b4e6-0b9d1b5b3b0a/13-0
00:00:06.000 --> 00:00:07.480
<v Haddad, Yusuf (Guest)>It drips.</v>
"""

STREAM = """WEBVTT

NOTE duration:"00:00:09.4800000"

NOTE language:en-us

NOTE Confidence: 0.8731

1d0a6c0c-8a23-4f0b-b4e6-0b9d1b5b3b0a
00:00:00.000 --> 00:00:03.500
Good morning, everybody.

NOTE Confidence: 0.6402

2d0a6c0c-8a23-4f0b-b4e6-0b9d1b5b3b0a
00:00:03.500 --> 00:00:09.480
The roof drips.
"""

WEBEX = """WEBVTT

1 "Pia Lund" (123456)
00:00:01.000 --> 00:00:02.000
Good: morning

2 "Yusuf "Joe" Haddad" (2)
00:00:02.000 --> 00:00:03.000
It drips

3 "Yusuf "Joe" Haddad" (2)
00:00:03.000 --> 00:00:04.000
again
"""

ZOOM = """WEBVTT

1
00:00:02.040 --> 00:00:05.010
Pia Lund: Good morning.

2
00:00:05.100 --> 00:00:07.010
Yusuf Haddad: At 10:30 it dripped.
"""

DIARISED = """WEBVTT

00:00.000 --> 00:05.000
[SPEAKER_00]: good morning

00:05.000 --> 00:06.000
[SPEAKER_01]: it drips
"""

SPACED = """WEBVTT
Kind: captions
Language: en

00:00:00.160 --> 00:00:02.389 align:start position:0%
\x20
<v Pia>good<00:00:00.480><c> morning</c><00:00:00.800><c> all</c>
\x20
of you
\x20

00:00:02.389 --> 00:00:03.000 align:start position:0%
<v Yusuf>it drips
\x20
3
00:00:04.000 --> 00:00:05.000
<v Pia>bye
"""

FILES = {
    "broadcast": (
        BROADCAST,
        [
            Piece("Hi, I am Pia <ok> & fine now", 28, "Pia", 0.0, 5.0),
            Piece("Hi", 31, "Yusuf", 6.0, 8.25),
            Piece("Hello 漢字", 32, "Olena", 6.0, 8.25),
            Piece("I say this: late", 37, "Olena", 360000.0, 360005.0),
        ],
    ),
    "teams": (
        TEAMS,
        [
            Piece("Good morning, let us\nlook at the roof.", 5, "Pia Lund", 3.12, 5.48),
            Piece("It drips.", 10, "Haddad, Yusuf (Guest)", 6.0, 7.48),
        ],
    ),
    "stream": (
        STREAM,
        [
            Piece("Good morning, everybody.", 11, None, 0.0, 3.5),
            Piece("The roof drips.", 17, None, 3.5, 9.48),
        ],
    ),
    "webex": (
        WEBEX,
        [
            Piece("Good: morning", 5, "Pia Lund", 1.0, 2.0),
            Piece("It drips", 9, 'Yusuf "Joe" Haddad', 2.0, 3.0),
            Piece("again", 13, 'Yusuf "Joe" Haddad', 3.0, 4.0),
        ],
    ),
    "zoom": (
        ZOOM,
        [
            Piece("Pia Lund: Good morning.", 5, None, 2.04, 5.01),
            Piece("Yusuf Haddad: At 10:30 it dripped.", 9, None, 5.1, 7.01),
        ],
    ),
    "diarised": (
        DIARISED,
        [
            Piece("[SPEAKER_00]: good morning", 4, None, 0.0, 5.0),
            Piece("[SPEAKER_01]: it drips", 7, None, 5.0, 6.0),
        ],
    ),
    "spaced": (
        SPACED,
        [
            Piece("good morning all\n\nof you", 7, "Pia", 0.16, 2.389),
            Piece("it drips", 13, "Yusuf", 2.389, 3.0),
            Piece("bye", 17, "Pia", 4.0, 5.0),
        ],
    ),
}
NAMED = {"broadcast", "teams", "webex", "spaced"}


def read(content: str) -> Parsed:
    return webvtt.FORMAT.read(Content(content))


def said(content: str) -> list[tuple[str | None, str]]:
    return [(piece.speaker, piece.text) for piece in read(content).pieces]


def notes(content: str) -> list[str]:
    return list(read(content).notes.sentences())


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("tool", FILES)
def test_a_tools_file_is_read_as_what_was_said_and_when(tool: str, end: str) -> None:
    content, pieces = FILES[tool]
    parsed = read(content.replace("\n", end))
    assert parsed.pieces == pieces
    assert parsed.named == (tool in NAMED)
    assert parsed.kind == "cues"


@pytest.mark.parametrize("tool", ["teams", "stream", "webex", "zoom", "diarised", "spaced"])
def test_a_tools_file_needs_no_note(tool: str) -> None:
    assert notes(FILES[tool][0]) == []


def test_an_identifier_in_words_is_noted_for_it_is_left_out() -> None:
    assert notes(BROADCAST) == ["this stands right above a cue's times as its identifier and was left out (line 26)"]


@pytest.mark.parametrize("tool", FILES)
def test_it_is_told_by_its_first_line_alone(tool: str) -> None:
    content = Content("\n\n" + FILES[tool][0])
    assert webvtt.FORMAT.recognizes(content)
    assert not srt.FORMAT.recognizes(content)
    assert not sbv.FORMAT.recognizes(content)


@pytest.mark.parametrize("content", ["", "\n", "WEBVTTX\n\n", "Pia: WEBVTT\n", "1\n00:01.000 --> 00:02.000\nhm\n"])
def test_what_has_no_header_is_not_taken_for_it(content: str) -> None:
    assert not webvtt.FORMAT.recognizes(Content(content))


def cue(text: str) -> str:
    return f"WEBVTT\n\n00:01.000 --> 00:02.000\n{text}\n"


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("<v Pia>Remember: the blue one.", [("Pia", "Remember: the blue one.")]),
        ("<v.loud.far Pia Lund>Yes.</v>", [("Pia Lund", "Yes.")]),
        ("<V Pia>Yes.</V>", [("Pia", "Yes.")]),
        ("<v\tPia \u00a0 Lund>Yes.", [("Pia Lund", "Yes.")]),
        ("<v Q&amp;A>Yes.", [("Q&A", "Yes.")]),
        ("<v Pia\nYusuf: no>yes", [("Pia Yusuf: no", "yes")]),
        ("<v Pia>&lt;v Yusuf&gt;yes", [("Pia", "<v Yusuf>yes")]),
        ("<v Pia>Yes.</v> (laughter) <v Yusuf>No.</v>", [("Pia", "Yes."), (None, "(laughter)"), ("Yusuf", "No.")]),
        ("- <v Pia>Yes.\n– <v Yusuf>No.", [("Pia", "Yes."), ("Yusuf", "No.")]),
        ("&gt;&gt; <v Pia>Yes.\n>> <v Yusuf>No.", [("Pia", "Yes."), ("Yusuf", "No.")]),
        ("<v.loud>Hm.\n<v Pia>Yes.", [(None, "Hm."), ("Pia", "Yes.")]),
        ("<v >Hm.", [(None, "Hm.")]),
    ],
)
def test_voices_are_the_speakers(text: str, pieces: list[tuple[str | None, str]]) -> None:
    assert said(cue(text)) == pieces


@pytest.mark.parametrize(
    ("text", "speech"),
    [
        ("<i>one</i> <b>two</b> <u>three</u> <c.red>four</c> <lang de>five</lang>", "one two three four five"),
        ('<font color="#ff0000">one</font><br>two<br/>three', "one\ntwo\nthree"),
        ("<00:00:01.500>one<00:00:01.700><c> two</c>", "one two"),
        ("{\\an8}one {two}", "one {two}"),
        ("<ruby>漢<rt>kan</rt>字<rt>ji</rt></ruby>", "漢字"),
        (
            "a &lt;b&gt; &amp;lt; &#66; &#x43; &nbsp;&eacute; AT&T &unknown; R&D;",
            "a <b> &lt; B C é AT&T &unknown; R&D;",
        ),
        ("x < y > z <3 <here> </there>", "x < y > z <3 <here> </there>"),
        (">> one", ">> one"),
        ("- one\n- two", "- one\n- two"),
        ("nets --> boats", "nets --> boats"),
        ("NOTE that this is said", "NOTE that this is said"),
    ],
)
def test_tags_go_and_words_stay(text: str, speech: str) -> None:
    assert said(cue(text)) == [(None, speech)]


def test_a_break_inside_a_cue_does_not_change_the_number_of_its_lines() -> None:
    parsed = read("WEBVTT\n\n00:01.000 --> 00:02.000\n<v Pia>a<br>b\nc <i\nstyle>d\n<v Yusuf>e\n")
    assert [(piece.text, piece.line) for piece in parsed.pieces] == [("a\nb\nc\nd", 4), ("e", 7)]


JOINED = """WEBVTT
X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000

00:00:01.000 --> 00:00:03.000
<v Pia>Where does it drip?

00:00:05.000 --> 00:00:07.000
<v Pia>In the hall?

WEBVTT
X-TIMESTAMP-MAP=MPEGTS:1440000,LOCAL:00:00:00.000

00:00:00.000 --> 00:00:01.000
<v Pia>In the hall?

00:00:02.000 --> 00:00:04.000
<v Yusuf>In the hall.

00:00:04.000 --> 00:00:05.000
<v Yusuf>In the hall.
"""


def test_joined_segments_of_a_stream_have_one_clock_and_a_cue_in_two_of_them_is_read_once() -> None:
    assert read(JOINED).pieces == [
        Piece("Where does it drip?", 5, "Pia", 1.0, 3.0),
        Piece("In the hall?", 8, "Pia", 5.0, 7.0),
        Piece("In the hall.", 17, "Yusuf", 8.0, 10.0),
        Piece("In the hall.", 20, "Yusuf", 10.0, 11.0),
    ]
    assert notes(JOINED) == [
        "another `WEBVTT` begins inside the file; what is joined was read as one (line 10)",
        "a cue goes on from one joined segment into the next and was read once (line 13)",
    ]


def test_a_streams_clock_that_begins_anew_goes_on() -> None:
    first, second = 2**33 - 90_000, 90_000
    content = "".join(
        f"WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:{ticks}\n\n00:01.000 --> 00:02.000\n{text}\n\n"
        for ticks, text in ((first, "one"), (second, "two"))
    )
    assert [(piece.text, piece.start) for piece in read(content).pieces] == [("one", 1.0), ("two", 3.0)]


@pytest.mark.parametrize("between", ["\n", ""], ids=["an empty line", "no empty line"])
@pytest.mark.parametrize("header", ["WEBVTT", "\ufeffWEBVTT", "WEBVTT - part two", "\ufeffWEBVTT part two"])
def test_files_that_were_joined_are_read_as_one(between: str, header: str) -> None:
    if not between and header == "WEBVTT - part two":
        header += "\nKind: captions"
    content = f"{cue('<v Pia>One.')}{between}{header}\n\n1\n00:01.000 --> 00:02.000\n<v Yusuf>Two.\n"
    assert said(content) == [("Pia", "One."), ("Yusuf", "Two.")]
    (note,) = notes(content)
    assert note.startswith("another `WEBVTT` begins inside the file")


def test_a_streams_clock_below_an_empty_line_is_no_speech() -> None:
    content = "WEBVTT\n\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n\n00:01.000 --> 00:02.000\none\n\n"
    content += content.replace("MPEGTS:0", "MPEGTS:900000").replace("one", "two")
    assert [(piece.text, piece.start) for piece in read(content).pieces] == [("one", 1.0), ("two", 11.0)]


def test_a_header_is_speech_where_it_is_said() -> None:
    assert said(cue("I write\nWEBVTT\nat the top.")) == [(None, "I write\nWEBVTT\nat the top.")]
    assert said(cue("I write\n\nWEBVTT is a format.")) == [(None, "I write\n\nWEBVTT is a format.")]


@pytest.mark.parametrize(
    ("rest", "line"),
    [
        ("\n2\n", 6),
        ("\n2", 6),
        ("\n2\n00:0", 6),
        ("\n2\n00:00:03.500 -", 6),
        ("\n2\n00:00:03.500 --> ", 7),
        ("\n2\n00:00:03.500 --> 00:00", 7),
        ("\n2\n00:00:03.500 --> 00:00:06.000", 7),
        ("\n2\n00:00:03.500 --> 00:00:06.000\n\n", 7),
        ("\n00:00:03.5", 6),
        ("\n2\n00:00:03.500 --> 00:00:06.000\n<v Yus", 8),
    ],
)
def test_a_file_that_is_cut_off_inside_a_cue_is_read_up_to_there_and_it_is_noted(rest: str, line: int) -> None:
    content = "WEBVTT\n\n1\n00:00:01.000 --> 00:00:03.000\nPia: It drips.\n".replace("1\n", "1\n", 1) + rest
    assert said(content) == [(None, "Pia: It drips.")]
    assert notes(content) == [f"the file ends inside a cue (line {line + 1})"]


def test_an_identifier_at_the_end_is_that_of_a_cue_that_was_cut_off() -> None:
    content = TEAMS + "\n4a0a6c0c-8a23-4f0b-b4e6-0b9d1b5b3b0a/14-0\n"
    assert read(content).pieces == FILES["teams"][1]
    assert notes(content) == ["the file ends inside a cue (line 12)"]


def test_what_only_looks_like_the_beginning_of_a_cue_is_speech() -> None:
    content = "WEBVTT\n\n1\n00:00:01.000 --> 00:00:03.000\nHow many?\n\n42\n"
    assert said(content) == [(None, "How many?\n\n42")]
    assert said("WEBVTT\n\n00:01.000 --> 00:03.000\nI <3") == [(None, "I <3")]
    assert said("WEBVTT\n\n00:01.000 --> 00:03.000\nAt\n\n10:30") == [(None, "At\n\n10:30")]


def test_times_are_read_however_they_are_spoilt() -> None:
    lines = [
        "00:00:01,000 --> 00:00:02,000",
        "1:02.5 --> 1:03.25",
        "00:00:01.000-->00:00:02.000 align:start",
        "00:00:01.000 -> 00:00:02.000",
        "00:00:01.000 —> 00:00:02.000",
        "00:00:01.000 --&gt; 00:00:02.000",
        "7 00:00:01.000 --> 00:00:02.000",
        "00:00:01 --> 00:00:02",
        "00：00：01，000 --> 00：00：02，000",
    ]
    content = "WEBVTT\n\n" + "\n\n".join(f"{line}\n<v Pia>hm {number}" for number, line in enumerate(lines))
    times = [(piece.start, piece.end) for piece in read(content).pieces]
    assert times == [(1.0, 2.0), (62.5, 63.25)] + 7 * [(1.0, 2.0)]
    assert notes(content) == []


def test_times_that_cannot_be_read_begin_a_cue_without_them() -> None:
    content = "WEBVTT\n\n00:00:O1.000 --> 00:00:02.000\n<v Pia>One.\n\n2\n00:00:02.000 --> 00:0x\n<v Yusuf>Two.\n"
    content = content.replace("00:0x", "00:0;")
    assert read(content).pieces == [Piece("One.", 4, "Pia", None, 2.0), Piece("Two.", 8, "Yusuf", 2.0, None)]
    assert notes(content) == [
        "the times of a cue cannot be read, so it has none: `00:00:O1.000 --> 00:00:02.000` (line 3)",
        "the times of a cue cannot be read, so it has none: `00:00:02.000 --> 00:0;` (line 7)",
    ]


def test_cues_need_no_empty_line_between_them() -> None:
    content = "WEBVTT\n00:01.000 --> 00:02.000\nPia: one\nor two\n00:02.000 --> 00:03.000\nYusuf: three\n"
    assert said(content) == [(None, "Pia: one\nor two"), (None, "Yusuf: three")]


def test_identifiers_of_tools_need_no_empty_line_above_them() -> None:
    assert said(TEAMS.replace("\n\n4a", "\n4a")) == [(piece.speaker, piece.text) for piece in FILES["teams"][1]]


def test_a_block_that_is_neither_cue_nor_comment_is_speech_of_the_cue_before_and_is_noted() -> None:
    content = cue("<v Pia>One.") + "\nNOTE not said\n\n<v Yusuf>and two\n"
    assert said(content) == [("Pia", "One."), ("Yusuf", "and two")]
    assert notes(content) == [
        "an empty line stands inside a cue; what follows it was read as the cue's speech (line 8)"
    ]


def test_what_stands_before_the_first_cue_is_left_out_and_noted() -> None:
    content = "WEBVTT\nKind: captions\n\nlost words\nand more\n\n1\n00:01.000 --> 00:02.000\nPia: One.\n"
    assert said(content) == [(None, "Pia: One.")]
    assert notes(content) == ["this stands before the first cue and was left out (lines 4 and 5)"]


def test_words_behind_the_times_are_speech_and_are_noted() -> None:
    content = "WEBVTT\n\n00:01.000 --> 00:02.000 Pia: One\nor two.\n"
    assert read(content).pieces == [Piece("Pia: One\nor two.", 3, None, 1.0, 2.0)]
    assert notes(content) == ["words behind a cue's times were read as its speech (line 3)"]


def test_without_its_header_it_is_read_by_its_times_and_that_is_noted() -> None:
    content = cue("<v Pia>One.").removeprefix("WEBVTT\n\n")
    assert said(content) == [("Pia", "One.")]
    assert notes(content) == ["the file does not begin with `WEBVTT`; it was read by its times (line 1)"]


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("Pia: yes\n", 1, "line 1 is not `WEBVTT`"),
        ("\nWEBVTTX\n\n", 2, "line 2 is not `WEBVTT`"),
        ("WEBVTT\n\nNOTE x\n\nlost words\n", 5, "line 5 begins neither a cue"),
    ],
)
def test_where_no_line_is_the_times_of_a_cue_it_is_refused(content: str, line: int, reason: str) -> None:
    with pytest.raises(BadTranscript, match=reason) as refused:
        read(content)
    assert refused.value.line == line


@pytest.mark.parametrize("content", ["", "\n \n", "WEBVTT", "WEBVTT\n\nNOTE nothing\n"])
def test_what_holds_nothing_has_no_pieces(content: str) -> None:
    assert list(read(content).pieces) == []


TURNS = {
    "broadcast": [
        Turn("Pia", "Hi, I am Pia <ok> & fine now", 0.0, 5.0),
        Turn("Yusuf", "Hi", 6.0, 8.25),
        Turn("Olena", "Hello 漢字 I say this: late", 6.0, 360005.0),
    ],
    "teams": [
        Turn("Pia Lund", "Good morning, let us look at the roof.", 3.12, 5.48),
        Turn("Haddad, Yusuf (Guest)", "It drips.", 6.0, 7.48),
    ],
    "stream": [Turn("unknown", "Good morning, everybody. The roof drips.", 0.0, 9.48)],
    "webex": [Turn("Pia Lund", "Good: morning", 1.0, 2.0), Turn('Yusuf "Joe" Haddad', "It drips again", 2.0, 4.0)],
    "zoom": [
        Turn("Pia Lund", "Good morning.", 2.04, 5.01),
        Turn("Yusuf Haddad", "At 10:30 it dripped.", 5.1, 7.01),
    ],
    "diarised": [Turn("SPEAKER_00", "good morning", 0.0, 5.0), Turn("SPEAKER_01", "it drips", 5.0, 6.0)],
    "spaced": [
        Turn("Pia", "good morning all of you", 0.16, 2.389),
        Turn("Yusuf", "it drips", 2.389, 3.0),
        Turn("Pia", "bye", 4.0, 5.0),
    ],
}


@pytest.mark.parametrize("tool", FILES)
def test_a_tools_file_is_told_and_becomes_turns(tool: str) -> None:
    transcript = read_transcript(FILES[tool][0].encode())
    assert list(transcript.turns) == TURNS[tool]
    assert transcript.reading.format == "webvtt"
    assert transcript.reading.cues == len(FILES[tool][1])


def test_speech_outside_a_voice_goes_on_with_the_voice_before_and_is_counted() -> None:
    transcript = read_transcript(cue("(music)") + "\n00:02.000 --> 00:03.000\n<v Pia>It</v> drips\nagain\n")
    assert [(turn.speaker, turn.text) for turn in transcript.turns] == [
        ("unknown", "(music)"),
        ("Pia", "It drips again"),
    ]
    assert transcript.reading.unnamed == 2


def test_thousands_of_cues_are_read() -> None:
    content = "WEBVTT\n\n" + "".join(
        f"00:{index // 60 % 60:02}:{index % 60:02}.000 --> 00:59:59.000\n<v S{index % 40}>number {index}\n\n"
        for index in range(10_000)
    )
    turns = read_transcript(content).turns
    assert len(turns) == 10_000
    assert turns[-1] == Turn("S39", "number 9999", 2799.0, 3599.0)
