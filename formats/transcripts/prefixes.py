"""What stands before a colon at the beginning of a line: the prefixes that may be names, and where each is met."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from formats.transcripts.named_lines import CHANGE, named_line
from formats.transcripts.pieces import Piece

_SENTENCE_END: Final = re.compile(r"[.?!…。？！♪)\]\"'”’»]\s*$")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a piece, whoever speaks in it.

    `prefix` is what may be a name, as it stands there, and `rest` what follows its colon; without one they are None and
    all of the text. `changes` says that a mark of a change of speaker stood before.
    """

    piece: int
    number: int
    text: str
    prefix: str | None
    rest: str
    changes: bool


@dataclass(slots=True)
class Prefix:
    """A prefix (folded) and the lines that begin with it. `continues`: the sentence before was not at its end."""

    name: str
    lines: list[int] = field(default_factory=list)
    rests: list[str] = field(default_factory=list)
    continues: list[bool] = field(default_factory=list)


def lines_of(pieces: Sequence[Piece]) -> Iterator[Line]:
    """The lines of all pieces, in order, without marks of a change of speaker and without times and numbers."""
    for index, piece in enumerate(pieces):
        texts = piece.text.split("\n")
        for offset, line in enumerate(texts):
            if not line.strip():
                continue
            followed = any(after.strip() for after in texts[offset + 1 : offset + 2])
            yield _line(index, piece.line + offset, line, followed)


def _line(piece: int, number: int, line: str, followed: bool) -> Line:
    """A line; `followed` says that another of the same piece follows, so that nothing need stand behind the name."""
    mark = CHANGE.match(line)
    text = line.strip() if mark is None else line[mark.end() :].strip()
    named = named_line(line)
    if named is None or not (named.text or followed):
        return Line(piece, number, text, None, text, mark is not None)
    return Line(piece, number, text, named.name, named.text, named.listed)


def prefixes_of(lines: Sequence[Line]) -> dict[str, Prefix]:
    """Every prefix, in the order in which they are first met."""
    found: dict[str, Prefix] = {}
    before = ""
    for line in lines:
        if line.prefix is not None:
            prefix = found.setdefault(line.prefix, Prefix(line.prefix))
            prefix.lines.append(line.number)
            prefix.rests.append(line.rest)
            prefix.continues.append(bool(before) and not line.changes and not _SENTENCE_END.search(before[-20:]))
        before = line.rest or line.text
    return found
