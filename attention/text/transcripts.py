"""Transcripts to turns: WebVTT, SubRip, and lines of `Name: what was said`.

Cues are pieces of speech cut to fit a screen, so successive cues of one speaker are one turn. Nothing is dropped
silently: where a cue does not follow the format, the transcript is refused with its line.
"""

from __future__ import annotations

import codecs
import html
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

import webvtt
from webvtt.errors import MalformedCaptionError, MalformedFileError

from attention.errors import BadTranscript
from attention.text.documents import Turn

TranscriptFormat = Literal["webvtt", "srt", "lines"]

UNNAMED: Final = "Unknown"
"""Speaker of cues that stand before the first name."""

_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_CUE_TIMES: Final = {
    "webvtt": re.compile(r"\s*(?:\d+:)?\d{1,2}:\d{1,2}\.\d{1,3}\s*-->\s*(?:\d+:)?\d{1,2}:\d{1,2}\.\d{1,3}(?:\s|$)"),
    "srt": re.compile(r"\s*\d+:\d{1,2}:\d{1,2}[,.]\d+\s*-->\s*\d+:\d{1,2}:\d{1,2}[,.]\d+(?:\s|$)"),
}
_BLOCK: Final = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|$)")
_NUMBERED: Final = re.compile(r"\d+ \"([^\"]+)\" \(\d+\)")
_DASH: Final = re.compile(r"^[^\S\n]*[-–—][^\S\n]*(?=<v[\s.])", re.MULTILINE)
_RUBY: Final = re.compile(r"<rt(?:\.[^<>]*)?>[^<]*(?:</rt>|(?=</ruby>|<rt[\s.>]))", re.IGNORECASE)
_VOICE: Final = re.compile(r"<v(?:\.[^\s<>]*)?\s([^<>]*)>|</v>")
_TAG: Final = re.compile(r"</?(?:[cibuv]|ruby|rt|lang|font)(?:[\s.][^<>]*)?>|<\d+(?::\d+)+\.\d+>", re.IGNORECASE)
_POSITION: Final = re.compile(r"\{\\[^{}]*\}")
_NAMED: Final = re.compile(r"(?:[-–—]\s*|>>\s*)?[\[(]?([^\W\d_][^:<>\[\]()!?;,\"]{0,39})[\])]?:\s+(\S.*)", re.DOTALL)
_LINE: Final = re.compile(r"([^\s:][^:]{0,199}):(?:\s+(.*))?$")


def read_transcript(content: str | bytes, transcript_format: TranscriptFormat) -> tuple[Turn, ...]:
    """The turns of a transcript, in order.

    `webvtt`: speakers are the voices (`<v Name>`), or where a file has none, the names that cues are numbered with
    (`1 "Name" (7)`), or else names before a colon. `srt`: names before a colon at the start of a cue's line. In both a
    cue without a name goes on with the turn before it. `lines`: every line is `Name: what was said` and a turn of its
    own; an indented line goes on with the turn above it.

    Bytes are UTF-8, or UTF-16 with a byte order mark; lines may end in any of the three ways.

    Raises BadTranscript with the line, counted from 1, and the reason.
    """
    lines = _LINE_END.split(_text(content))
    match transcript_format:
        case "webvtt":
            turns = _merged(_webvtt(lines))
        case "srt":
            turns = _merged(_subrip(lines))
        case "lines":
            turns = tuple(_named_lines(lines))
        case _:
            raise ValueError(f"`{transcript_format}` is no transcript format; write webvtt, srt or lines")
    if not turns:
        raise BadTranscript("the transcript holds no speech")
    return turns


def _text(content: str | bytes) -> str:
    if isinstance(content, str):
        return content.removeprefix("\ufeff")
    encoding = "utf-8"
    for mark, marked in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            content, encoding = content[len(mark) :], marked
            break
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = len(_LINE_END.split(content[: error.start].decode(encoding, errors="replace")))
        raise BadTranscript(f"line {line} is not {encoding.upper()}; save the transcript as UTF-8", line) from error


def _webvtt(lines: Sequence[str]) -> Iterator[tuple[str | None, str]]:
    """(speaker or None, speech) in the order of a WebVTT file."""
    if not re.match(r"WEBVTT(?:[ \t]|$)", lines[0]):
        raise BadTranscript("line 1 is not `WEBVTT`, with which every WebVTT file begins", 1)
    lines = _with_empty_lines(lines)
    _check_blocks(lines)
    cues = _cues(lines, "webvtt")
    voiced = any((voice.group(1) or "").strip() for _, cue in cues for voice in _VOICE.finditer(cue))
    numbered = not voiced and any(_NUMBERED.fullmatch(identifier) for identifier, _ in cues)
    for identifier, cue in cues:
        if voiced:
            yield from _voices(cue)
        elif numbered:
            named = _NUMBERED.fullmatch(identifier)
            yield (named.group(1).strip() or None) if named else None, _speech(cue)
        else:
            yield from _names(cue)


def _with_empty_lines(lines: Sequence[str]) -> list[str]:
    """The lines, those of white space emptied where they separate two blocks; inside a cue they belong to it."""
    emptied = list(lines)
    for number, line in enumerate(lines):
        if line and not line.strip() and "-->" not in lines[max(number - 1, 0)]:
            after = lines[number + 1 : number + 3]
            if not after or "-->" in "\n".join(after) or _BLOCK.match(after[0]):
                emptied[number] = ""
    return emptied


def _subrip(lines: Sequence[str]) -> Iterator[tuple[str | None, str]]:
    """(speaker or None, speech) in the order of a SubRip file."""
    first = next((number for number, line in enumerate(lines) if line.strip()), None)
    if first is None:
        return
    for number, line in enumerate(lines, start=1):
        if "-->" in line and (number < 2 or not lines[number - 2].strip().isdecimal()):
            raise BadTranscript(
                f"line {number} has the times of a cue, but the line above is not the cue's number", number
            )
    if first + 1 >= len(lines) or "-->" not in lines[first + 1]:
        raise BadTranscript(f"line {first + 1} does not begin a cue: a number, and below it the cue's times", first + 1)
    for _, cue in _cues(lines[first:], "srt", skipped=first):
        yield from _names(_POSITION.sub("", cue))


def _cues(lines: Sequence[str], kind: Literal["webvtt", "srt"], skipped: int = 0) -> list[tuple[str, str]]:
    """(identifier, text with tags) of every cue. `skipped` lines stood above."""
    with_text = 0
    for number, (line, after) in enumerate(zip(lines, [*lines[1:], ""], strict=True), start=1 + skipped):
        if "-->" in line:
            if not _CUE_TIMES[kind].match(line):
                raise BadTranscript(f"line {number} is not the times of a cue: `{_short(line)}`", number)
            with_text += bool(after.strip()) and "-->" not in after
    try:
        read = webvtt.from_buffer(lines, format={"webvtt": "vtt", "srt": "srt"}[kind])
    except (MalformedFileError, MalformedCaptionError) as error:
        raise BadTranscript(f"the transcript does not follow its format: {error}") from error
    cues = [(str(caption.identifier or "").strip(), str(caption.raw_text)) for caption in read.captions]
    if sum(bool(cue.strip()) for _, cue in cues) < with_text:
        raise BadTranscript(f"only {len(cues)} of the transcript's {with_text} cues can be read")
    return cues


def _check_blocks(lines: Sequence[str]) -> None:
    """Refuse a WebVTT block that readers would skip: neither a cue nor a comment, style or region."""
    for number in range(1, len(lines)):
        block = lines[number : number + 2]
        if lines[number - 1] or not block[0].strip():
            continue  # only the line after an empty one begins a block
        if "-->" not in "\n".join(block) and not _BLOCK.match(block[0]):
            raise BadTranscript(
                f"line {number + 1} begins neither a cue (its times have `-->`) nor a comment: `{_short(block[0])}`",
                number + 1,
            )


def _voices(cue: str) -> Iterator[tuple[str | None, str]]:
    """A cue's speech by its voice spans."""
    cue = _DASH.sub("", cue)
    speaker: str | None = None
    place = 0
    for tag in _VOICE.finditer(cue):
        yield speaker, _speech(cue[place : tag.start()])
        speaker = _speech(tag.group(1) or "") or None
        place = tag.end()
    yield speaker, _speech(cue[place:])


def _names(cue: str) -> Iterator[tuple[str | None, str]]:
    """A cue's speech by names at the start of its lines, capitalised and of five words at most."""
    for line in cue.split("\n"):
        speech = _speech(line)
        named = _NAMED.match(speech)
        if named and not named.group(1)[0].islower() and len(named.group(1).split()) <= 5:
            yield named.group(1).strip(), named.group(2)
        else:
            yield None, speech


def _speech(text: str) -> str:
    """Text on one line, without tags, entities and the pronunciations of ruby text."""
    return " ".join(html.unescape(_TAG.sub("", _RUBY.sub("", text))).split())


def _merged(spoken: Iterable[tuple[str | None, str]]) -> tuple[Turn, ...]:
    """Turns from pieces of speech: one turn until another speaker is named."""
    turns: list[tuple[str, list[str]]] = []
    named = False
    for speaker, speech in spoken:
        named = named or speaker is not None
        if not speech:
            continue
        if speaker is None:
            speaker = turns[-1][0] if turns else UNNAMED
        if not turns or turns[-1][0] != speaker:
            turns.append((speaker, []))
        turns[-1][1].append(speech)
    if turns and not named:
        raise BadTranscript("no cue names its speaker; name them (`<v Ana>` or `Ana: `), or send the speech as a text")
    return tuple(Turn(speaker, " ".join(speech)) for speaker, speech in turns)


def _named_lines(lines: Sequence[str]) -> Iterator[Turn]:
    speaker: str | None = None
    spoken: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if line[0].isspace() and speaker is not None:
            spoken.append(line.strip())
            continue
        named = _LINE.match(line)
        if not named:
            raise BadTranscript(
                f"line {number} does not begin with `Name: `: `{_short(line)}`; "
                "indent a line that goes on with the turn above",
                number,
            )
        if not (named.group(2) or "").strip():
            raise BadTranscript(f"line {number} names {_short(named.group(1))} but has no text", number)
        if speaker is not None:
            yield Turn(speaker, "\n".join(spoken))
        speaker, spoken = named.group(1).strip(), [named.group(2).strip()]
    if speaker is not None:
        yield Turn(speaker, "\n".join(spoken))


def _short(line: str) -> str:
    line = line.strip()
    return line if len(line) <= 60 else f"{line[:57]}..."
