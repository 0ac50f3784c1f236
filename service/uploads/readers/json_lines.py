"""JSON Lines, one JSON object a line, read as it arrives in memory bounded by one piece of the body and one line."""

from codecs import BOM_UTF8
from typing import ClassVar, Literal

from service.uploads.readers.reader import Found, Limits, Record, too_long


class JsonLines:
    """Gives line after line; empty lines are passed over."""

    unpacks: ClassVar[bool] = False
    counts: ClassVar[Literal["line", "row"]] = "line"

    def __init__(self, limits: Limits) -> None:
        self._most_bytes = limits.record_bytes
        self._number = 0
        self._rest = b""

    def feed(self, data: bytes) -> Found:
        """Take the next bytes. A line that does not end within the limit is the last fault."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            yield from self._read(line)
        if len(self._rest) > self._most_bytes:
            yield too_long(self._number + 1, self.counts, len(self._rest), self._most_bytes, last=True)

    def finish(self) -> Found:
        """Read the last line, which needs no end."""
        yield from self._read(self._rest)

    def close(self) -> None:
        """Nothing has to be closed."""

    def _read(self, line: bytes) -> Found:
        self._number += 1
        if self._number == 1:
            line = line.removeprefix(BOM_UTF8)
        if len(line) > self._most_bytes:
            yield too_long(self._number, self.counts, len(line), self._most_bytes)
        elif line.strip():
            yield Record(self._number, line)
