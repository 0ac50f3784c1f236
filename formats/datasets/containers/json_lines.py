"""JSON Lines, one JSON object a line, read as it arrives in memory bounded by one piece of the body and one line."""

from typing import ClassVar

from formats.datasets.containers.lines import Lines
from formats.datasets.records import Found, Limits, Record, too_long
from formats.documents import Place


class JsonLines:
    """Gives line after line; empty lines are passed over."""

    name: ClassVar[str] = "jsonl"
    unpacks: ClassVar[bool] = False

    def __init__(self, limits: Limits) -> None:
        self._most_bytes = limits.record_bytes
        self._lines = Lines()

    def feed(self, data: bytes) -> Found:
        """Take the next bytes. A line that does not end within the limit is the last fault."""
        for line in self._lines.feed(data):
            yield from self._read(line)
        if self._lines.pending > self._most_bytes:
            yield too_long(Place(self._lines.number + 1), self._lines.pending, self._most_bytes, last=True)

    def finish(self) -> Found:
        """Read the last line, which needs no end."""
        for line in self._lines.finish():
            yield from self._read(line)

    def close(self) -> None:
        """Nothing has to be closed."""

    def _read(self, line: bytes) -> Found:
        place, content = Place(self._lines.number), line.strip()
        if len(content) > self._most_bytes:
            yield too_long(place, len(content), self._most_bytes)
        elif content:
            yield Record(place, content)
