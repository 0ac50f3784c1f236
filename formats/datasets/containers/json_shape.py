"""The shape of a JSON file, told from its beginning: lines, an array, an object around one, an object of objects."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic_core import from_json

from formats.datasets.containers.json_scanner import BrokenOffError, JsonScanner, ValueTooLongError

HEAD_BYTES: Final = 1 << 16
"""So much of a file is enough to tell its shape."""

_OF_RECORDS: Final = frozenset(
    {
        "text", "turns", "messages", "conversation", "conversations", "chosen", "rejected", "conversation_id",
        "message_id", "message_tree_id", "prompt", "dialogue", "dialog", "utterances",
    }
)  # fmt: skip
"""Names that fields of records have, of any layout."""
_OF_THE_RECORD: Final = _OF_RECORDS - {"conversations", "utterances"}
"""An object that has one of them is a record itself; the others may hold all records."""
_OF_SPEAKERS: Final = frozenset({"role", "from", "speaker", "author"})
_COLLECTIONS: Final = frozenset(
    {
        "data", "conversations", "dialogues", "dialogs", "documents", "items", "records", "rows", "examples",
        "utterances", "train", "test",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shape:
    """How records stand in a JSON file.

    `lines`: one a line. `array`: the file is an array of them. `member`: an object is around it, in which it is called
    `key`. `members`: an object has them by their names. `value`: the file is one record over several lines.
    """

    kind: Literal["lines", "array", "member", "members", "value"]
    key: str = ""


LINES: Final = Shape("lines")
ARRAY: Final = Shape("array")
MEMBERS: Final = Shape("members")
VALUE: Final = Shape("value")


def shape_of(head: bytes) -> Shape:
    """The shape of a file of which this is the whole, or the first `HEAD_BYTES`."""
    text = head.lstrip()
    first, *others = text.split(b"\n", 2)
    second = others[0] if others else b""
    rest = b"".join(others)
    on_one_line = is_whole(first)
    if text[:1] not in (b"{", b"[") or (on_one_line and rest.strip()):
        return LINES
    if text.startswith(b"["):
        return ARRAY
    outer = _outer(text)
    if outer is not None:
        return outer
    unfinished = first.rstrip().endswith((b"{", b"[", b",", b":"))
    if on_one_line or not rest.strip() or (is_whole(second) and not unfinished):
        return LINES
    return VALUE


def is_whole(text: bytes) -> bool:
    """Whether it is one array or object from its first bracket to its last."""
    if not text.lstrip().startswith((b"{", b"[")):
        return False
    scanner = _scanning(text)
    scanner.end()
    try:
        _now(scanner.mark())
        _now(scanner.value(len(text)))
        return not _now(scanner.mark())
    except (BrokenOffError, ValueTooLongError):
        return False


def _outer(text: bytes) -> Shape | None:
    """The shape of a file that begins with an object, where that only holds the records."""
    for number, (key, value) in enumerate(_members(text)):
        if key in _OF_THE_RECORD:
            return None
        if value.startswith(b"["):
            element = value[1:].lstrip()
            if not element.startswith(b"{"):
                continue
            names = {name for name, _ in _members(element)}
            if _is_message(names):
                return None
            if key in _COLLECTIONS or names & _OF_RECORDS:
                return Shape("member", key)
        elif value.startswith(b"{") and number == 0:
            names = {name for name, _ in _members(value)}
            if names & _OF_RECORDS and not _is_message(names):
                return MEMBERS
    return None


def _is_message(names: set[str]) -> bool:
    return bool(names & _OF_SPEAKERS) and not names & (_OF_RECORDS - {"text"})


def _members(text: bytes) -> Iterator[tuple[str, bytes]]:
    """The names of an object's members as far as the text goes, and the text from each one's value on."""
    scanner = _scanning(text)
    try:
        _now(scanner.mark())
        scanner.skip_mark()
        while _now(scanner.mark()) == b'"':
            key = from_json(_now(scanner.value(len(text))))
            if _now(scanner.mark()) != b":":
                return
            scanner.skip_mark()
            _now(scanner.mark())
            yield key, scanner.left
            _now(scanner.value(len(text)))
            if _now(scanner.mark()) != b",":
                return
            scanner.skip_mark()
    except (_NotYet, BrokenOffError, ValueTooLongError, ValueError):
        return


class _NotYet(Exception):  # noqa: N818 - nothing is wrong
    """The text goes no further."""


def _scanning(text: bytes) -> JsonScanner:
    scanner = JsonScanner()
    scanner.feed(text)
    return scanner


def _now(scan: Generator[None, None, bytes]) -> bytes:
    try:
        next(scan)
    except StopIteration as found:
        value: Any = found.value
        return bytes(value)
    raise _NotYet
