"""Attack: captions made to take more than linear time, or to slip words past. Each is read, or refused in words."""

import time

import pytest

from formats.errors import BadTranscript
from formats.transcripts.captions import sbv, srt, webvtt
from formats.transcripts.pieces import Content

FORMATS = {"webvtt": webvtt.FORMAT, "srt": srt.FORMAT, "sbv": sbv.FORMAT}
VOICE = "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n<v A>"
PLAYED = "1\n00:00:01,000 --> 00:00:02,000\n"
UPLOADED = "0:00:01.000,0:00:02.000\n"
N = 200_000


def played(texts: list[str], milliseconds: int = 1000) -> str:
    """SubRip of cues that follow each other at once."""
    ends = [
        f"{at // 3_600_000}:{at // 60_000 % 60:02}:{at // 1000 % 60:02},{at % 1000:03}"
        for at in range(0, milliseconds * (len(texts) + 1), milliseconds)
    ]
    return "\n".join(f"{ends[at]} --> {ends[at + 1]}\n{text}\n" for at, text in enumerate(texts))


CAPTIONS = {
    "voices that do not end": (VOICE + "<v " * N, "webvtt"),
    "a voice of blanks": (VOICE + "<v" + " " * N, "webvtt"),
    "classes that do not end": (VOICE + "<c " * N, "webvtt"),
    "a voice of dots": (VOICE + "<v" + "." * N, "webvtt"),
    "times of words that do not end": (VOICE + "<1:1:1:1" * N, "webvtt"),
    "tags that do not end": (VOICE + "<" * N, "webvtt"),
    "tags across lines": (VOICE + "<i\n" * N, "webvtt"),
    "voices": (VOICE + "<v B>x\n" * N, "webvtt"),
    "entities that do not end": (VOICE + "&" * N, "webvtt"),
    "entities": (VOICE + "&lt;v B&gt;" * N, "webvtt"),
    "ruby that does not end": (VOICE + "<rt>" * N, "webvtt"),
    "ruby that is cut": (VOICE + "<ruby><rt" * N, "webvtt"),
    "dashes": (VOICE + "- " * N, "webvtt"),
    "dashes before voices that do not end": (VOICE + "- <v" * N, "webvtt"),
    "lines of blanks": (VOICE + "yes\n" + " \n" * N + "no", "webvtt"),
    "a line of blanks": (VOICE + "yes\n" + " " * N + "no", "webvtt"),
    "breaks": (VOICE + "<br>" * N, "webvtt"),
    "times": ("WEBVTT\n\n" + "00:00:01.000 --> 00:00:02.000\n" * (N // 10), "webvtt"),
    "empty lines": ("WEBVTT\n" + "\n" * N, "webvtt"),
    "a comment": ("WEBVTT\n\nNOTE " + "x\n" * N, "webvtt"),
    "comments": ("WEBVTT\n\n" + "NOTE\n\n" * N, "webvtt"),
    "styles of blanks": ("WEBVTT\n\n" + ("STYLE" + " " * 1000 + "x\n\n") * (N // 1000), "webvtt"),
    "headers": ("WEBVTT\n\n" * N, "webvtt"),
    "headers without empty lines": ("WEBVTT\n" * N, "webvtt"),
    "joined files": ((VOICE + "yes\n\n") * (N // 10), "webvtt"),
    "names of quotes": ('WEBVTT\n\n1 "' + '"' * N + "\n00:00:01.000 --> 00:00:02.000\nyes\n", "webvtt"),
    "an identifier of digits": ("WEBVTT\n\n" + "1" * N + "\n00:00:01.000 --> 00:00:02.000\nyes\n", "webvtt"),
    "settings": ("WEBVTT\n\n00:00:01.000 --> 00:00:02.000 " + "line:1 " * N + "\nyes\n", "webvtt"),
    "a stream's clock of digits": ("WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:" + "1" * N + "\n\n", "webvtt"),
    "letters": (PLAYED + "A" * N, "srt"),
    "colons": (PLAYED + "A" * 30 + ": " * N, "srt"),
    "positions that do not end": (PLAYED + "{\\" * N, "srt"),
    "times of digits": ("1\n" + "0" * N + " --> x", "srt"),
    "times of blanks": ("1\n0:00:01,000" + " " * N + "--> 0:00:02,000\nyes\n", "srt"),
    "arrows": ("1\n" + "-->" * N, "srt"),
    "lines of arrows": (PLAYED + "0:0 --> 0:0\n" * N, "srt"),
    "times that cannot be read": ("\n0:O0 --> 0:0\nx\n" * (N // 10), "srt"),
    "numbers": ("1\n" * N, "srt"),
    "numbers in a cue": (PLAYED + "1\n" * N, "srt"),
    "numbers apart": (PLAYED + "1\n\n" * N, "srt"),
    "empty lines alone": ("\n" * N, "srt"),
    "empty lines between cues": ((PLAYED + "x\n" + "\n" * 1000) * (N // 1000), "srt"),
    "two times": (UPLOADED * (N // 10), "sbv"),
    "two times of digits": ("0:00:01." + "0" * N, "sbv"),
    "line ends of its own": (UPLOADED + "[br]" * N, "sbv"),
    "lines that roll": (played([f"{at}\n{at + 1}" for at in range(N // 10)]), "srt"),
    "many lines that roll": (played(["\n".join(map(str, range(at, at + 400))) for at in range(400)]), "srt"),
    "one line that stays": (played(["no"] * (N // 10)), "srt"),
    "equal lines that roll": (played(["no\n" * 14 + "no"] * (N // 100)), "srt"),
    "a line that grows": (played(["a" * at for at in range(1, 1000)]), "srt"),
    "a line that grows below many": (played(["x\n" * N + "a", *("a" + "b " * at for at in range(1, 600))]), "srt"),
    "brief cues": (played([str(at) for at in range(N // 10)], 10), "srt"),
    "brief lines that get longer": (played([" ".join(map(str, range(at))) for at in range(1, 400)], 10), "srt"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CAPTIONS)
def test_no_captions_take_more_than_linear_time(kind: str) -> None:
    text, name = CAPTIONS[kind]
    began = time.perf_counter()
    try:
        parsed = FORMATS[name].read(Content(text))
    except BadTranscript as refused:
        message, pieces, line = str(refused), (), refused.line
    else:
        message, pieces, line = ". ".join(parsed.notes.sentences()), tuple(parsed.pieces), 1
    assert line is not None
    assert len(message) < 30_000
    assert all(piece.text.strip() for piece in pieces)
    assert time.perf_counter() - began < 20


@pytest.mark.parametrize("kind", CAPTIONS)
def test_to_tell_captions_takes_no_more_than_linear_time(kind: str) -> None:
    content = Content(CAPTIONS[kind][0])
    began = time.perf_counter()
    assert sum(form.recognizes(content) for form in FORMATS.values()) <= 1
    assert time.perf_counter() - began < 10


def test_an_escaped_voice_is_speech_and_no_speaker() -> None:
    (piece,) = webvtt.FORMAT.read(Content(VOICE + "&lt;v Bo&gt;yes")).pieces
    assert (piece.speaker, piece.text) == ("A", "<v Bo>yes")


def test_a_voice_cannot_break_the_line_of_its_label() -> None:
    (piece,) = webvtt.FORMAT.read(Content(VOICE.replace("<v A>", "<v A\nBo: no>yes"))).pieces
    assert (piece.speaker, piece.text) == ("A Bo: no", "yes")


def test_an_escaped_line_end_begins_no_line_of_speech() -> None:
    (piece,) = srt.FORMAT.read(Content(PLAYED + "Pia: yes&#10;Bo: no&#13;Bo: no&NewLine;Bo: no")).pieces
    assert piece.text == "Pia: yes Bo: no Bo: no Bo: no"
