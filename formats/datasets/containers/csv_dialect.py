"""The dialect of a CSV file: what separates its cells, told from its first lines, and where its quoted cells end."""

import csv
import re
import sys
from collections.abc import Sequence
from typing import Final

from formats.datasets.containers.columns import is_known

csv.field_size_limit(sys.maxsize)  # the module's own limit on a cell, for all of a process; a whole row has one here

TAB: Final = "\t"
DELIMITERS: Final = (",", ";", TAB, "|")
_NAMED: Final = {",": "commas", ";": "semicolons", TAB: "tabs", "|": "vertical bars"}
_SAID: Final = re.compile(rb'"?sep=([\x21-\x7e\t])"?[,;\t|]*\s*', re.IGNORECASE)
"""Excel's own first line, by which it knows the delimiter again."""
_TO_THE_CLOSING_MARK: Final = re.compile(rb'(?:[^"]++|"")*+"')
_INVISIBLE: Final = dict.fromkeys(map(ord, "\ufeff\u200b\u200e\u200f\u2060"))
_OF_LAYOUTS: Final = frozenset(
    {
        "conversation_id", "speaker", "timestamp", "reply_to", "conversation", "conversations", "chosen", "rejected",
        "message_id", "parent_id", "role",
    }
)  # fmt: skip


def said_delimiter(line: bytes) -> str | None:
    """The delimiter of a first line `sep=;`; None where it is no such line."""
    said = _SAID.fullmatch(line)
    return said[1].decode() if said and not said[1].isalnum() and said[1] != b'"' else None


def delimiter_of(header: str) -> str:
    """What separates the cells of a header: what gives most names that are known, and of those most cells."""

    def worth(delimiter: str) -> tuple[int, int]:
        names = header_names(header, delimiter)
        return sum(is_known(name) or name in _OF_LAYOUTS for name in names), len(names)

    return max(DELIMITERS, key=worth)


def header_names(header: str, delimiter: str) -> list[str]:
    """The names that a header gives, without white space and invisible characters around them."""
    return [name.translate(_INVISIBLE).strip() for name in next(csv.reader([header], delimiter=delimiter), [])]


def named(delimiter: str) -> str:
    """A delimiter, as one speaks of it."""
    return _NAMED.get(delimiter, f"`{delimiter}`")


def cells_of(row: str, delimiter: str) -> Sequence[str]:
    """The cells of a whole row. Only one that begins with a quotation mark is quoted. Raises csv.Error."""
    if '"' not in row:
        return row.rstrip("\r\n").split(delimiter)
    (cells,) = csv.reader([row], delimiter=delimiter, strict=True)
    return cells


class QuotedCells:
    """Where quoted cells open and close, line after line; `opened` is the line at which one is still open."""

    def __init__(self, delimiter: str) -> None:
        self.opened: int | None = None
        self._delimiter = delimiter.encode()
        self._opening = self._delimiter + b'"'

    def take(self, line: bytes, number: int) -> bool:
        """Whether a row ends with this line."""
        if b'"' not in line:
            return self.opened is None
        at = 0
        if self.opened is None:
            at = 1 if line.startswith(b'"') else self._next(line, 0)
            if at < 0:
                return True
            self.opened = number
        while True:
            closing = _TO_THE_CLOSING_MARK.match(line, at)
            if closing is None:
                return False
            self.opened = None
            at = self._after(line, closing.end())
            if at < 0:
                return True
            self.opened = number

    def _after(self, line: bytes, at: int) -> int:
        """Where the next quoted cell's text begins, after a closing mark; -1 without one."""
        end = line.find(self._delimiter, at)
        if end < 0:
            return -1
        return self._next(line, end)

    def _next(self, line: bytes, at: int) -> int:
        begins = line.find(self._opening, at)
        return -1 if begins < 0 else begins + len(self._opening)
