"""Lines of a file as it arrives: they end in LF, CR or both, and memory is bounded by one piece and one line."""

import re
from collections.abc import Iterator
from typing import Final

_LINE_END: Final = re.compile(rb"[\r\n]")


class Lines:
    """Gives line after line with its end; `number` is that of the line given last, from 1."""

    def __init__(self) -> None:
        self.number = 0
        self._rest = bytearray()

    @property
    def pending(self) -> int:
        """The bytes of the line that has not ended yet."""
        return len(self._rest)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that end in these bytes. The next bytes may be fed when all were taken."""
        if self._rest:
            if not self._rest.endswith(b"\r") and _LINE_END.search(data) is None:
                self._rest += data
                return
            data = bytes(self._rest) + data
        lines = data.splitlines(keepends=True)
        unended = bool(lines) and not lines[-1].endswith(b"\n")  # after a CR a LF may follow
        self._rest = bytearray(lines.pop() if unended else b"")
        for line in lines:
            self.number += 1
            yield line

    def finish(self) -> Iterator[bytes]:
        """The last line, which needs no end."""
        if self._rest:
            self.number += 1
            last = bytes(self._rest)
            self._rest.clear()
            yield last
