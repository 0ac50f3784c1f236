"""WebVTT as real tools write it reads as what was said, and comes back from being written again."""

import codecs
import time
from html import escape

import pytest

from attention.text.documents import Turn
from attention.text.transcripts import read_transcript

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
::cue(v[voice="Ana"]) {
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
<v.first.loud Ana>Hi, I am <b>Ana</b> &lt;ok&gt; &amp; <lang en-GB>fine</lang>&nbsp;now</v>

00:06.000 --> 00:08.000
- <v Bo>Hi
- <v Cy>Hello <ruby>漢<rt>kan</rt>字<rt>ji</ruby>

NOTE between

100:00:00.000 --> 100:00:05.000
<v Cy>I <100:00:01.000>say <c.yellow.bg_blue><100:00:02.500>this</c>: late"""

MEETING = """WEBVTT

4a0a6c0c-8a23-4f0b-b4e6-0b9d1b5b3b0a/12-0
00:00:03.120 --> 00:00:05.480
<v Ana Lee>Hello everyone, let us
begin.</v>

4a0a6c0c-8a23-4f0b-b4e6-0b9d1b5b3b0a/13-0
00:00:06.000 --> 00:00:07.480
<v Bo Smith>Fine.</v>
"""

NUMBERED = """WEBVTT

1 "Ana Lee" (123456)
00:00:01.000 --> 00:00:02.000
Hello: everyone

2 "Bo" (2)
00:00:02.000 --> 00:00:03.000
Hi

3 "Bo" (2)
00:00:03.000 --> 00:00:04.000
there
"""

COLONS = """WEBVTT

1
00:00:02.040 --> 00:00:05.010
Ana Lee: Hello everyone.

2
00:00:05.100 --> 00:00:07.010
Bo Smith: Hi, at 10:30.
"""

DIARISED = """WEBVTT

00:00.000 --> 00:05.000
[SPEAKER_00]: hello

00:05.000 --> 00:06.000
[SPEAKER_01]: hi
"""

SPACED = """WEBVTT
Kind: captions
Language: en

00:00:00.160 --> 00:00:02.389 align:start position:0%
\x20
<v Ana>hello<00:00:00.480><c> over</c><00:00:00.800><c> there</c>
\x20
more
\x20

00:00:02.389 --> 00:00:03.000 align:start position:0%
<v Bo>hi
\x20
3
00:00:04.000 --> 00:00:05.000
<v Ana>bye
"""

FILES = {
    "broadcast": (
        BROADCAST,
        (Turn("Ana", "Hi, I am Ana <ok> & fine now"), Turn("Bo", "Hi"), Turn("Cy", "Hello 漢字 I say this: late")),
    ),
    "meeting": (MEETING, (Turn("Ana Lee", "Hello everyone, let us begin."), Turn("Bo Smith", "Fine."))),
    "numbered": (NUMBERED, (Turn("Ana Lee", "Hello: everyone"), Turn("Bo", "Hi there"))),
    "colons": (COLONS, (Turn("Ana Lee", "Hello everyone."), Turn("Bo Smith", "Hi, at 10:30."))),
    "diarised": (DIARISED, (Turn("SPEAKER_00", "hello"), Turn("SPEAKER_01", "hi"))),
    "spaced": (SPACED, (Turn("Ana", "hello over there more"), Turn("Bo", "hi"), Turn("Ana", "bye"))),
}


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8], ids=["plain", "marked"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("tool", FILES)
def test_a_tools_file_is_read_as_what_was_said(tool: str, end: str, mark: bytes) -> None:
    content, said = FILES[tool]
    assert read_transcript(mark + content.replace("\n", end).encode(), "webvtt") == said


@pytest.mark.parametrize("tool", FILES)
def test_what_was_read_comes_back_from_being_written_again(tool: str) -> None:
    said = read_transcript(FILES[tool][0], "webvtt")
    cues = [
        f"00:{number:02}.000 --> 00:{number + 1:02}.000\n<v {escape(turn.speaker)}>{escape(turn.text)}</v>\n"
        for number, turn in enumerate(said)
    ]
    assert read_transcript("\n".join(("WEBVTT\n", *cues)), "webvtt") == said


@pytest.mark.parametrize("piece", ["<rt>", "<ruby><rt", '1 "', "- <v", " \n", "- "])
def test_a_hostile_repetition_is_read_in_a_moment(piece: str) -> None:
    content = f"WEBVTT\n\n00:00.000 --> 00:05.000\n<v Ana>yes {piece * 100_000}\n"
    began = time.perf_counter()
    assert read_transcript(content, "webvtt")[0].text.startswith("yes")
    assert time.perf_counter() - began < 60
