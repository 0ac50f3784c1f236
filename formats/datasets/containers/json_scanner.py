"""Scanning JSON as it arrives: where values end is found without building them, in one pass and without recursion."""

import re
from collections.abc import Generator
from typing import Final

from formats.encoding import LineCount

_STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_FILLER: Final = rb'[^"{}\[\]]*+'
_FLAT: Final = rb"\{" + _FILLER + rb"(?:" + _STRING + _FILLER + rb")*+\}"
"""An object without others in it, as most messages are: passed over at once."""
_NEXT_MARK: Final = re.compile(
    _FILLER + rb"(?:(?:" + _STRING + rb"|" + _FLAT + rb")" + _FILLER + rb')*+([{}\[\]"])', re.DOTALL
)
"""Up to the next bracket, or the quotation mark of a string that does not end in this piece."""
_REST_OF_STRING: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_REST_OF_WORD: Final = re.compile(rb"[^\s,:\]}\[{\"]*+")
_SPACE: Final = re.compile(rb"[ \t\r\n]*+")
_QUOTE: Final = ord('"')
_OPENING: Final = frozenset(b"[{")

Scan = Generator[None, None, bytes]
"""Gives None where it needs the next bytes, and at its end what it found."""


class ValueTooLongError(Exception):
    """A value has at least so many bytes, the argument, which is more than are held."""


class BrokenOffError(Exception):
    """The text ends inside a value."""


class JsonScanner:
    """A JSON text in pieces. `line` is that of the next byte."""

    def __init__(self) -> None:
        self._data = b""
        self._at = 0
        self._ended = False
        self._lines = LineCount()

    @property
    def line(self) -> int:
        """The line of the next byte, from 1."""
        return self._lines.line

    @property
    def left(self) -> bytes:
        """The bytes that were fed and not scanned yet."""
        return self._data[self._at :]

    def feed(self, data: bytes) -> None:
        """Append the next bytes, after whatever scans has asked for them."""
        self._data = self._data[self._at :] + data
        self._at = 0

    def end(self) -> None:
        """There are no more bytes."""
        self._ended = True

    def mark(self) -> Scan:
        """The next byte that is no white space, which stays; empty at the end of the text."""
        while True:
            self._pass_to(_SPACE.match(self._data, self._at).end())  # type: ignore[union-attr]
            if self._at < len(self._data):
                return self._data[self._at : self._at + 1]
            if self._ended:
                return b""
            yield

    def skip_mark(self) -> None:
        """Pass over the byte that `mark` gave."""
        self._pass_to(self._at + 1)

    def value(self, most_bytes: int, *, kept: bool = True) -> Scan:
        """The value that begins at the next byte, or nothing of it where it is not to be kept.

        Brackets are counted, whether they match is not asked. Raises `ValueTooLongError` and `BrokenOffError`.
        """
        held: bytearray | bytes = bytearray()
        length = 0
        at, depth = self._at, 0
        in_string = in_word = ended = False
        first = self._data[at]
        if first in _OPENING:
            depth = 1
        elif first == _QUOTE:
            in_string = True
        else:
            in_word = True
        at += 1
        while True:
            data = self._data
            size = len(data)
            while at < size and not ended:
                if in_string:
                    at = _REST_OF_STRING.match(data, at).end()  # type: ignore[union-attr]
                    if at >= size or data[at] != _QUOTE:
                        break  # at the end, or at a backslash before it
                    at, in_string = at + 1, False
                    ended = not depth
                elif in_word:
                    at = _REST_OF_WORD.match(data, at).end()  # type: ignore[union-attr]
                    ended = at < size
                else:
                    found = _NEXT_MARK.match(data, at)
                    if found is None:
                        at = size
                        break
                    at = found.end()
                    mark = data[at - 1]
                    if mark == _QUOTE:
                        in_string = True
                    elif mark in _OPENING:
                        depth += 1
                    else:
                        depth -= 1
                        ended = not depth
            length += at - self._at
            if kept:
                if length > most_bytes:
                    raise ValueTooLongError(length)
                if ended and not held:
                    held = data[self._at : at]  # most values come in one piece
                else:
                    held += data[self._at : at]
            self._pass_to(at)
            if ended or (in_word and self._ended):
                return bytes(held)
            if self._ended:
                raise BrokenOffError
            yield
            at = 0

    def _pass_to(self, at: int) -> None:
        if at > self._at:
            self._lines.pass_over(self._data[self._at : at])
            self._at = at
