"""JSON that is no JSON Lines: an array of records, alone or inside an object, or an object of them by their names.

It is read as it arrives, in memory bounded by one piece of the file and one record.
"""

from collections.abc import Generator, Iterable, Iterator
from typing import Any, ClassVar, Final

from pydantic_core import from_json

from formats.datasets.containers.json_scanner import BrokenOffError, JsonScanner, ValueTooLongError
from formats.datasets.containers.json_shape import ARRAY, Shape
from formats.datasets.records import Fault, Found, Limits, Record, too_long
from formats.documents import Place
from formats.errors import UnreadableFile
from formats.notes import Notes, quoted

_MOST_NAME_BYTES: Final = 1 << 16
_ADVICE: Final = "put each record on a line of its own (JSON Lines), or all of them into one array"

_Steps = Generator[Record | Fault | None, None, None]
"""None where the next bytes are needed."""


class JsonItems:
    """Gives record after record, counted from 1, with the line at which it begins."""

    name: ClassVar[str] = "json"
    unpacks: ClassVar[bool] = False

    def __init__(self, limits: Limits, notes: Notes, shape: Shape = ARRAY) -> None:
        self._most_bytes = limits.record_bytes
        self._notes = notes
        self._shape = shape
        self._scanner = JsonScanner()
        self._number = 0
        self._line = 1
        self._steps = self._read()

    def feed(self, data: bytes) -> Found:
        """Take the next bytes. What is wrong outside of records is the last fault."""
        self._scanner.feed(data)
        return self._until_more_is_needed()

    def finish(self) -> Found:
        """Read what is left."""
        self._scanner.end()
        return self._until_more_is_needed()

    def close(self) -> None:
        """Nothing has to be closed."""

    def _until_more_is_needed(self) -> Found:
        for step in self._steps:
            if step is None:
                return
            yield step

    def _read(self) -> _Steps:
        try:
            yield from self._text()
        except ValueTooLongError as error:
            yield too_long(self._place(), error.args[0], self._most_bytes, last=True)
        except BrokenOffError:
            yield self._last("the file breaks off inside it; send the whole file")
        except _BrokenError as error:
            yield self._last(str(error))

    def _text(self) -> _Steps:
        scanner = self._scanner
        if not (yield from scanner.mark()):
            return
        if self._shape.kind == "array":
            yield from self._array()
        elif self._shape.kind == "value":
            yield from self._item()
        else:
            yield from self._object()
        if (yield from scanner.mark()):
            self._number += 1
            self._line = scanner.line
            raise _BrokenError(f"the JSON value that stands before it is the whole file already; {_ADVICE}")

    def _array(self) -> _Steps:
        scanner = self._scanner
        scanner.skip_mark()
        if (yield from scanner.mark()) == b"]":
            scanner.skip_mark()
            return
        while True:
            yield from self._item()
            mark = yield from scanner.mark()
            if mark == b"]":
                scanner.skip_mark()
                return
            if mark != b",":
                raise _BrokenError(_after_the_item(mark, "]"))
            scanner.skip_mark()

    def _object(self) -> _Steps:
        scanner = self._scanner
        scanner.skip_mark()
        if (yield from scanner.mark()) == b"}":
            scanner.skip_mark()
            return
        while True:
            yield from self._member()
            mark = yield from scanner.mark()
            if mark == b"}":
                scanner.skip_mark()
                return
            if mark != b",":
                raise _BrokenError(_after_the_item(mark, "}"))
            scanner.skip_mark()

    def _member(self) -> _Steps:
        scanner = self._scanner
        key = yield from _name(scanner)
        mark = yield from scanner.mark()
        if self._shape.kind == "members":
            yield from self._item(key)
        elif key == self._shape.key and mark == b"[":
            yield from self._array()
        elif mark:
            self._notes.say(f"{quoted(key)} beside {quoted(self._shape.key)} is passed over", line=scanner.line)
            yield from scanner.value(self._most_bytes, kept=False)
        else:
            raise BrokenOffError

    def _item(self, key: str | None = None) -> _Steps:
        self._number += 1
        mark = yield from self._scanner.mark()
        self._line = self._scanner.line
        if mark in (b",", b"]", b"}", b":"):
            raise _BrokenError(f"a value is missing before `{mark.decode()}`")
        if not mark:
            raise BrokenOffError
        content = yield from self._scanner.value(self._most_bytes)
        if key is None:
            yield Record(self._place(), content)
            return
        try:
            yield Record(self._place(), _named(key, from_json(content)))
        except ValueError as error:
            yield Fault(self._place(), "", f"Invalid JSON: {error}")

    def _place(self) -> Place:
        return Place(max(self._number, 1), "item", line=self._line)

    def _last(self, message: str) -> Fault:
        return Fault(self._place(), "", message, last=True)


def members(pieces: Iterable[bytes], most_bytes: int) -> Iterator[tuple[str, bytes]]:
    """The name and the JSON of each member of one object, which arrives in pieces.

    Raises `UnreadableFile` where it is no object, breaks off, or a member has more bytes than `most_bytes`.
    """
    scanner = JsonScanner()
    steps = _members(scanner, most_bytes)
    try:
        for piece in pieces:
            scanner.feed(piece)
            yield from _until_none(steps)
        scanner.end()
        yield from _until_none(steps)
    except ValueTooLongError as error:
        raise UnreadableFile(
            f"line {scanner.line}: a member has at least {error.args[0]} bytes; the limit is {most_bytes}"
        ) from None
    except BrokenOffError:
        raise UnreadableFile(f"line {scanner.line}: the file breaks off; send the whole file") from None
    except _BrokenError as error:
        raise UnreadableFile(f"line {scanner.line}: {error}") from None


def _members(scanner: JsonScanner, most_bytes: int) -> Generator[tuple[str, bytes] | None, None, None]:
    if (yield from scanner.mark()) != b"{":
        raise _BrokenError("an object, which begins with `{`, is expected here")
    scanner.skip_mark()
    if (yield from scanner.mark()) == b"}":
        return
    while True:
        key = yield from _name(scanner)
        mark = yield from scanner.mark()
        if not mark:
            raise BrokenOffError
        yield key, (yield from scanner.value(most_bytes))
        mark = yield from scanner.mark()
        if mark == b"}":
            return
        if mark != b",":
            raise _BrokenError(_after_the_item(mark, "}"))
        scanner.skip_mark()


def _until_none(steps: Iterator[tuple[str, bytes] | None]) -> Iterator[tuple[str, bytes]]:
    for step in steps:
        if step is None:
            return
        yield step


def _name(scanner: JsonScanner) -> Generator[None, None, str]:
    """The name of an object's member, and the colon after it."""
    if (yield from scanner.mark()) != b'"':
        raise _BrokenError("a name in quotation marks is expected here")
    written = yield from scanner.value(_MOST_NAME_BYTES)
    try:
        key: str = from_json(written)
    except ValueError as error:
        raise _BrokenError(f"the name of a member is no JSON: {error}") from None
    if (yield from scanner.mark()) != b":":
        raise _BrokenError("a colon is missing after the name of a member")
    scanner.skip_mark()
    return key


def _named(key: str, fields: Any) -> Any:
    """A record that stands under a name, which is its id where it has none of its own."""
    return {"id": key, **fields} if isinstance(fields, dict) else fields


def _after_the_item(mark: bytes, closing: str) -> str:
    if not mark:
        return f"the file breaks off after it, without `{closing}`; send the whole file"
    return "a comma is missing after it"


class _BrokenError(Exception):
    """What is wrong outside of the records."""
