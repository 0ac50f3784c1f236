"""WebVTT and SubRip become turns: who spoke, what was said, in order, and nothing dropped in silence."""

import codecs
from html import escape
from io import StringIO

import pytest
import webvtt
from hypothesis import given
from hypothesis import strategies as st

from attention.errors import BadTranscript
from attention.text.documents import Turn
from attention.text.transcripts import read_transcript

MEETING = """WEBVTT - weekly

STYLE
::cue { color: red }

NOTE recorded in the small room

1
00:00:01.000 --> 00:00:03.500 align:start position:0%
<v Ana>Are you <i>coming</i>
to the lake?</v>

00:04.000 --> 00:05.000
<v.loud Bo Smith>Yes, at six &amp; on time.

second
00:00:06.000 --> 00:00:07.000
<v Bo Smith>If the <c.place>bus</c> runs.
<v Ana>It <00:00:06.500>will.</v>
"""

PLAYED = """1
00:00:01,000 --> 00:00:03,500
Ana: Are you <i>coming</i>
to the lake?

2
00:00:04,000 --> 00:00:05,000
- BO: {\\an8}Yes, at 10:30.
- Ana: Good.
"""


def test_webvtt_voices_are_the_speakers_and_successive_cues_of_one_are_one_turn() -> None:
    assert read_transcript(MEETING, "webvtt") == (
        Turn("Ana", "Are you coming to the lake?"),
        Turn("Bo Smith", "Yes, at six & on time. If the bus runs."),
        Turn("Ana", "It will."),
    )


def test_subrip_names_are_the_speakers() -> None:
    assert read_transcript(PLAYED, "srt") == (
        Turn("Ana", "Are you coming to the lake?"),
        Turn("BO", "Yes, at 10:30."),
        Turn("Ana", "Good."),
    )


def test_webvtt_without_voices_is_read_by_its_names() -> None:
    content = MEETING.replace("<v Ana>", "Ana: ").replace("<v.loud Bo Smith>", "Bo Smith: ")
    content = content.replace("<v Bo Smith>", "Bo Smith: ").replace("</v>", "")
    assert read_transcript(content, "webvtt") == read_transcript(MEETING, "webvtt")


def test_with_voices_a_colon_is_speech() -> None:
    content = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ana>Remember: the blue one.\n"
    assert read_transcript(content, "webvtt") == (Turn("Ana", "Remember: the blue one."),)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ],
)
@pytest.mark.parametrize(("content", "kind"), [(MEETING, "webvtt"), (PLAYED, "srt"), ("Ana: yes\nBo: nö\n", "lines")])
def test_any_line_end_and_byte_order_mark_reads_the_same(
    content: str, kind: str, mark: bytes, encoding: str, end: str
) -> None:
    expected = read_transcript(content, kind)  # type: ignore[arg-type]
    changed = content.replace("\n", end)
    assert read_transcript(mark + changed.encode(encoding), kind) == expected  # type: ignore[arg-type]
    assert read_transcript("\ufeff" + changed, kind) == expected  # type: ignore[arg-type]


def test_a_cue_without_a_name_goes_on_with_the_turn_before_and_before_any_name_is_unknown() -> None:
    content = "1\n00:00:01,000 --> 00:00:02,000\n(music)\n\n2\n00:00:02,000 --> 00:00:03,000\nAna: Yes,\n\n3\n"
    content += "00:00:03,000 --> 00:00:04,000\nat six.\n"
    assert read_transcript(content, "srt") == (Turn("Unknown", "(music)"), Turn("Ana", "Yes, at six."))


@pytest.mark.parametrize(
    ("speech", "speaker"),
    [
        ("[SPEAKER_00]: yes", "SPEAKER_00"),
        (">> MODERATOR: yes", "MODERATOR"),
        ("Dr. Lee: yes", "Dr. Lee"),
        ("דנה: yes", "דנה"),
        ("小林: yes", "小林"),
        ("and so: yes", None),
        ("10:30: yes", None),
        ("The thing that I said was this: yes", None),
        ("Wait! Ana: yes", None),
    ],
)
def test_what_counts_as_a_name_before_a_colon(speech: str, speaker: str | None) -> None:
    content = f"1\n00:00:01,000 --> 00:00:02,000\nZoe: hm\n\n2\n00:00:02,000 --> 00:00:03,000\n{speech}\n"
    last = read_transcript(content, "srt")[-1]
    assert (last.speaker, last.text) == ((speaker, "yes") if speaker else ("Zoe", f"hm {speech}"))


NAMES = st.sampled_from(["Ana", "Bo Smith", "דנה", "Q&A", "O'Neil"])
SPEECH = st.text(st.sampled_from("abcé שλ日👍&<>.,:;!?'\" "), min_size=1).map(lambda text: " ".join(text.split()))


@given(st.lists(st.tuples(NAMES, SPEECH.filter(bool)), min_size=1, max_size=8))
def test_turns_written_as_webvtt_by_another_tool_are_read_back(said: list[tuple[str, str]]) -> None:
    turns = [Turn(*turn) for index, turn in enumerate(said) if index == 0 or turn[0] != said[index - 1][0]]
    written = webvtt.WebVTT()
    for index, turn in enumerate(turns):
        name, speech = (escape(part, quote=False) for part in (turn.speaker, turn.text))
        times = (f"00:00:{second:02}.000" for second in (index, index + 1))
        written.captions.append(webvtt.Caption(*times, f"<v {name}>{speech}</v>"))
    content = StringIO()
    written.write(content)
    assert read_transcript(content.getvalue(), "webvtt") == tuple(turns)


@pytest.mark.parametrize(
    ("content", "kind", "line", "reason"),
    [
        ("", "webvtt", 1, "`WEBVTT`"),
        ("WEBVTTX\n\n", "webvtt", 1, "`WEBVTT`"),
        ("1\n00:00:01.000 --> 00:00:02.000\nAna: x\n", "webvtt", 1, "`WEBVTT`"),
        ("WEBVTT\n\n00:00:01,000 --> 00:00:02,000\n<v A>x\n", "webvtt", 3, "not the times of a cue"),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\n<v A>x\n\n00:01.000 -> 00:02.000\n<v B>y\n", "webvtt", 6, "neither a cue"),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\n<v A>x\n\nlost words\n", "webvtt", 6, "neither a cue.*lost words"),
        ("\n1\n00:00:01,000 --> 00:00\nAna: x\n", "srt", 3, "not the times of a cue"),
        ("00:00:01,000 --> 00:00:02,000\nAna: x\n", "srt", 1, "not the cue's number"),
        ("1\n00:00:01,000 --> 00:00:02,000\nAna: x\n\n00:00:02,000 --> 00:00:03,000\ny\n", "srt", 5, "cue's number"),
        ("Ana: yes\n", "srt", 1, "does not begin a cue"),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\nyes\n", "webvtt", None, "no cue names its speaker"),
        ("1\n00:00:01,000 --> 00:00:02,000\nyes\n", "srt", None, "no cue names its speaker"),
        ("WEBVTT\n\n", "webvtt", None, "no speech"),
        ("  \n", "srt", None, "no speech"),
        (b"1\n00:00:01,000 --> 00:00:02,000\nAna: caf\xe9\n", "srt", 3, "not UTF-8"),
    ],
)
def test_a_wrong_format_names_line_and_reason(content: str | bytes, kind: str, line: int | None, reason: str) -> None:
    with pytest.raises(BadTranscript, match=reason) as refused:
        read_transcript(content, kind)  # type: ignore[arg-type]
    assert refused.value.line == line


def test_thousands_of_cues_are_read_in_a_moment() -> None:
    content = "WEBVTT\n\n" + "".join(
        f"00:{index // 60 % 60:02}:{index % 60:02}.000 --> 00:59:59.000\n<v S{index % 40}>number {index}\n\n"
        for index in range(10_000)
    )
    turns = read_transcript(content, "webvtt")
    assert len(turns) == 10_000
    assert turns[-1] == Turn("S39", "number 9999")
