"""JSON Lines, one JSON object a line, read as it arrives in memory bounded by one piece of the body and one line."""

from typing import TYPE_CHECKING, ClassVar

from service.http.bodies import BYTE_ORDER_MARK

if TYPE_CHECKING:
    from service.uploads.upload import Upload


class JsonLines:
    """Gives an upload line after line; lines without anything are passed over."""

    unpacks: ClassVar[bool] = False

    def __init__(self, upload: "Upload") -> None:
        self._upload = upload
        self._number = 0
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises a `Problem` for a line that does not end within the limit."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line)
        if len(self._rest) > self._upload.settings.max_body_bytes:
            self._upload.too_long(self._number + 1, len(self._rest))
            self._upload.refuse()

    def read_on(self) -> bool:
        """Take the last line, which needs no end."""
        self._take(self._rest)
        return False

    def close(self) -> None:
        """There is nothing to let go of."""

    def _take(self, line: bytes) -> None:
        self._number += 1
        if self._number == 1:
            line = line.removeprefix(BYTE_ORDER_MARK)
        if len(line) > self._upload.settings.max_body_bytes:
            self._upload.too_long(self._number, len(line))
        elif line.strip():
            self._upload.take_json(self._number, line)
