"""The encodings of text: UTF-8, UTF-16 and UTF-32, and Windows-1252 as a guess, which is always said."""

import codecs
import re
from typing import Final

from formats.errors import BadTranscript, UnreadableFile

GUESS: Final = "windows-1252"
"""The one encoding that no bytes can prove; whoever reads by it says so. Of what arrives in pieces the first character
that is not ASCII decides between it and UTF-8."""
GUESS_NOTE: Final = "it was read as Windows-1252, which is a guess; where letters look wrong, save the file as UTF-8"
DAMAGED: Final = "utf-8, damaged"
"""UTF-8 with bytes that are none, each of which became U+FFFD; whoever reads it says so."""
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_HEAD: Final = 1024
_NOT_ASCII: Final = re.compile(rb"[\x80-\xff]")
_MOST_OF_A_CHARACTER: Final = 4
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0e-\x14\x16-\x1a\x1c-\x1f]")
"""Bytes that no text has; U+0015 stands around times in CHAT."""


def decoded(data: bytes) -> tuple[str, str]:
    """A file's text without a byte order mark, and its encoding.

    Raises BadTranscript with the line at which it is no text.
    """
    encoding, mark = encoding_of(data[:_HEAD])
    body = data[mark:]
    try:
        return body.decode(encoding), encoding
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise BadTranscript(_fault(body, error.start, encoding), _line(body, error.start, encoding)) from None
        return _guessed(body, error.start)


def encoding_of(head: bytes) -> tuple[str, int]:
    """The encoding that a file's first bytes show (UTF-8 where they show none), and how long its byte order mark is."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding, len(mark)
    pairs = len(head) // 2
    if pairs >= 2:
        low, high = head[0 : 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
        if high > 0.4 * pairs and low < 0.1 * pairs:
            return "utf-16-le", 0
        if low > 0.4 * pairs and high < 0.1 * pairs:
            return "utf-16-be", 0
    return "utf-8", 0


def _guessed(body: bytes, start: int) -> tuple[str, str]:
    replaced = body.decode(errors="replace")
    damaged = replaced.count("\ufffd")
    if sum(not character.isascii() for character in replaced) > 2 * damaged and "\x00" not in replaced:
        return replaced, DAMAGED  # most of what is not ASCII is UTF-8
    control = _CONTROL.search(body)
    if control is not None:
        raise BadTranscript(_fault(body, control.start(), "utf-8"), _line(body, control.start(), "utf-8"))
    try:
        return body.decode(GUESS), GUESS
    except UnicodeDecodeError:
        raise BadTranscript(_fault(body, start, "utf-8"), _line(body, start, "utf-8")) from None


def _fault(body: bytes, start: int, encoding: str) -> str:
    return f"line {_line(body, start, encoding)} is not {encoding.upper()}; save the file as UTF-8"


def _line(body: bytes, start: int, encoding: str) -> int:
    before = body[:start].decode(encoding, errors="replace").encode()
    return len(_LINE_END.split(before))


class Transcoder:
    """Bytes in any of the encodings, as they arrive in pieces of any size, to UTF-8 without a byte order mark.

    What is UTF-8 passes as it is, so that a byte that is not is the fault of the record it stands in. `encoding` is
    known for certain after `finish`.
    """

    def __init__(self) -> None:
        self.encoding = ""
        self._held = b""
        self._settled = False
        self._decoder: codecs.IncrementalDecoder | None = None
        self._lines = LineCount()

    def feed(self, data: bytes) -> bytes:
        """The next bytes. Raises `UnreadableFile` with the line at which the file is no text."""
        if self.encoding and self._settled:
            return data
        return self._taken(data, final=False)

    def finish(self) -> bytes:
        """What is left after the last byte. Raises `UnreadableFile` as `feed` does."""
        return self._taken(b"", final=True)

    def _taken(self, data: bytes, *, final: bool) -> bytes:
        if not self.encoding:
            data, self._held = self._held + data, b""
            if len(data) < _HEAD and not final:
                self._held = data
                return b""
            self.encoding, mark = encoding_of(data[:_HEAD])
            self._settled = self.encoding == "utf-8" and mark > 0
            if self.encoding != "utf-8":
                self._decoder = codecs.getincrementaldecoder(self.encoding)()
            data = data[mark:]
        if self._settled:
            return data
        return self._unsettled(data, final) if self._decoder is None else self._decoded(data, final)

    def _unsettled(self, data: bytes, final: bool) -> bytes:
        """UTF-8 or a guess, as long as everything was ASCII."""
        data, self._held = self._held + data, b""
        first = None if data.isascii() else _NOT_ASCII.search(data)
        before = data if first is None else data[: first.start()]
        self._lines.pass_over(before)
        if first is None:
            return data
        rest = data[first.start() :]
        try:
            whole = codecs.getincrementaldecoder("utf-8")().decode(rest[:_MOST_OF_A_CHARACTER], final)
        except UnicodeDecodeError as error:
            if error.start == 0:
                self.encoding, self._decoder = GUESS, codecs.getincrementaldecoder(GUESS)()
                return before + self._decoded(rest, final)
            whole = "the first character is whole"
        if not whole:
            self._held = rest
            return before
        self._settled = True
        return data

    def _decoded(self, data: bytes, final: bool) -> bytes:
        assert self._decoder is not None
        control = _CONTROL.search(data) if self.encoding == GUESS else None
        try:
            text = self._decoder.decode(data if control is None else data[: control.start()], final and control is None)
            faulty = "" if control is not None else None
        except UnicodeDecodeError as error:
            faulty = error.object[: error.start].decode(self.encoding)
            text = ""
        if faulty is not None:
            self._lines.pass_over((text + faulty).encode())
            named = "UTF-8" if self.encoding == GUESS else self.encoding.upper()
            raise UnreadableFile(f"line {self._lines.line} is not {named}; save the file as UTF-8")
        encoded = text.encode()
        self._lines.pass_over(encoded)
        return encoded


class LineCount:
    """The line of the next byte: lines end in LF, CR or both."""

    def __init__(self) -> None:
        self.line = 1
        self._after_return = False

    def pass_over(self, text: bytes) -> None:
        """Count the line ends of the next bytes, which may be cut anywhere."""
        if not text:
            return
        self.line += text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n")
        if self._after_return and text.startswith(b"\n"):
            self.line -= 1
        self._after_return = text.endswith(b"\r")
