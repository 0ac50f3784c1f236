"""What stands in a cue's text beside words: voices, tags, times of words, positions and entities."""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.entities import html5
from typing import Final

_MARK_BEFORE_VOICE: Final = re.compile(r"^[^\S\n]*(?:[-–—‐•]|>{2,3}|(?:&gt;){2,3})[^\S\n]*(?=<v[\s.])", re.M | re.I)
_RUBY: Final = re.compile(r"<rt(?:\.[^<>]*)?>[^<]*(?:</rt>|(?=</ruby>|<rt[\s.>]))", re.I)
_POSITION: Final = re.compile(r"\{\\[^{}]*\}")
_VOICE: Final = re.compile(r"<v(?:\.[^\s<>]*)?(?:\s([^<>]*))?>|</v>", re.I)
_TIME: Final = re.compile(r"<\d{1,6}(?::\d{1,6}){1,3}[.,]\d{1,9}>")
_TAG: Final = re.compile(r"</?(?:[cibusv]|ruby|rt|lang|font|span|em|strong)(?:[\s.][^<>]*)?/?>", re.I)
_BREAK: Final = re.compile(r"<br\s?/?>", re.I)
_ENTITY: Final = re.compile(r"&(?:#\d{1,7}|#[xX][\da-fA-F]{1,6}|[A-Za-z][A-Za-z\d]{1,31});")


@dataclass(frozen=True, slots=True)
class Shown:
    """A line on the screen, or the part of one that a voice says.

    `number` is its line in the file, `timed` whether its words have times of their own.
    """

    number: int
    text: str
    speaker: str | None = None
    timed: bool = False


def shown_lines(lines: Sequence[str], first: int) -> list[Shown]:
    """The lines of a cue that have words, without tags; `first` is the number of the first line.

    A voice (`<v Name>`) holds up to its end or the next voice. Entities become characters after tags were removed, so
    that `&lt;v Bo&gt;` is speech. Of ruby text the reading is left out.
    """
    timed = {number for number, line in enumerate(lines, first) if "<" in line and _TIME.search(line)}
    raw = "\n".join(lines)
    if "{\\" in raw:  # beside positions blanks and line ends are written as in the format that has both
        raw = raw.replace("\\h", " ").replace("\\N", "<br>")
    if "<" in raw or "{" in raw:
        for mark in (_MARK_BEFORE_VOICE, _RUBY, _POSITION):
            raw = mark.sub(_line_ends, raw)
    found = []
    for speaker, number, part in _voices(raw, first):
        for offset, line in enumerate(_without_tags(part).split("\n")):
            for row in _BREAK.sub("\n", line).split("\n") if "<" in line else (line,):
                text = words(row)
                if text:
                    found.append(Shown(number + offset, text, speaker, number + offset in timed))
    return found


def words(text: str) -> str:
    """Text whose tags were removed: entities as characters, white space folded."""
    return " ".join((_ENTITY.sub(_character, text) if "&" in text else text).split())


def _voices(raw: str, number: int) -> Iterator[tuple[str | None, int, str]]:
    """(voice or None, number of its first line, text with tags) in order."""
    speaker: str | None = None
    place = 0
    for tag in _VOICE.finditer(raw):
        yield speaker, number, raw[place : tag.start()]
        number += raw.count("\n", place, tag.end())
        speaker = words(_without_tags(tag[1] or "")) or None
        place = tag.end()
    yield speaker, number, raw[place:]


def _without_tags(text: str) -> str:
    return _TAG.sub(_line_ends, _TIME.sub("", text)) if "<" in text else text


def _line_ends(removed: re.Match[str]) -> str:
    """What stays of something that is removed, so that every line keeps its number."""
    return "\n" * removed[0].count("\n")


def _character(entity: re.Match[str]) -> str:
    name = entity[0][1:]
    return html.unescape(entity[0]) if name.startswith("#") else html5.get(name, entity[0])
