"""Lines of `Name: what was said`, whatever time, number or mark stands before the name."""

import re
from dataclasses import dataclass
from typing import Final

from formats.transcripts.names import folded
from formats.transcripts.stamps import Stamp, is_time_or_number, read_stamp

MOST_NAME: Final = 200
CHANGE: Final = re.compile(r"\s{0,5}(?:>{2,3}|＞{2,3}|[-–—‐•*](?=\s))\s{0,5}")
"""Marks of a change of speaker, or of an item of a list."""
_STARS: Final = re.compile(r"[*_]{1,3}(?=\S)")
_COLON: Final = re.compile(r"[:：]")
_TIME_BEHIND: Final = re.compile(
    r"\s{0,5}([\[(]\d{1,3}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?[\])]|(?<=\s)\d{1,2}:\d{2}(?::\d{2})?)$"
)
_TIME_FOLLOWS: Final = re.compile(r"[*_]{1,3}\s{0,5}[\[(]?\d{1,3}:\d{2}")
_SCHEMES: Final = frozenset(
    {"http", "https", "ftp", "mailto", "tel", "file", "data", "urn", "javascript", "sms", "geo"}
)
_AFTER_COLON: Final = frozenset("¿¡\"'“„«‘‚(*_…《「『")
"""What speech may begin with, where no blank stands after the colon, beside letters and digits."""


@dataclass(frozen=True, slots=True)
class NamedLine:
    """A line's name, folded, and what follows its colon; `stamp` is the time before or behind the name."""

    name: str
    text: str
    stamp: Stamp | None
    listed: bool
    """Whether a mark of a list or of a change of speaker stands first."""


def named_line(line: str) -> NamedLine | None:
    """The name and the speech of a line; None where it does not begin with a name."""
    stamp, rest, listed = opened(line)
    rest, bold = _unstarred(rest)
    if bold:  # `**[00:05] Mira:** yes`
        inner, rest, _ = opened(rest)
        stamp = stamp or inner
    colon = _colon(rest)
    if colon is None:
        return None
    before, text = rest[:colon].strip(), rest[colon + 1 :].strip()
    behind = _TIME_BEHIND.search(before[-20:])
    if behind is not None:
        stamp = stamp or read_stamp(behind[1])[0]
        before = before[: len(before) - len(behind[0])]
    name = folded(before)
    if name[:1] + name[-1:] in {"[]", "()", "<>"} and not any(mark in name[1:-1] for mark in "[]()<>"):
        name = name[1:-1].strip()
    if not name or len(name) > MOST_NAME or is_time_or_number(name):
        return None
    return NamedLine(name, text, stamp, listed)


def _unstarred(line: str) -> tuple[str, bool]:
    """The line without the stars of Markdown around its name, and whether there were any."""
    stars = _STARS.match(line)
    if stars is None:
        return line, False
    begin = stars.end()
    end = line.find(stars[0], begin, begin + 2 * MOST_NAME)
    if end < 0 or not (
        {":", "："} & {line[end - 1], line[end + len(stars[0]) :].lstrip()[:1]} or _TIME_FOLLOWS.match(line, end)
    ):
        return line, False
    return line[begin:end] + line[end + len(stars[0]) :], True


def opened(line: str) -> tuple[Stamp | None, str, bool]:
    """What a line begins with: its time, the line without times, numbers and marks, and whether there was a mark."""
    found: Stamp | None = None
    marked = False
    for _ in range(4):  # `- 3. [00:01:05] `
        change = CHANGE.match(line)
        if change is not None:
            line, marked = line[change.end() :], True
            continue
        stamp, rest = read_stamp(line)
        if stamp is None:
            break
        if found is None or found.clock is None:
            found = stamp
        line = rest
    return found, line.strip(), marked


def _colon(text: str) -> int | None:
    """The place of the colon behind the name: the first that is not part of a time or an address."""
    for colon in _COLON.finditer(text, 0, 2 * MOST_NAME):
        place = colon.start()
        before, after = text[:place], text[place + 1 : place + 2]
        if before[-1:].isdigit() and after.isdigit():
            continue  # 21:05
        if not before.strip() or text.startswith("//", place + 1):
            return None
        if colon[0] == "：" or not after or after.isspace():
            return place
        if before.casefold() in _SCHEMES or not (after.isalnum() or after in _AFTER_COLON):
            return None  # `mailto:mira`, `:)`
        return place
    return None
