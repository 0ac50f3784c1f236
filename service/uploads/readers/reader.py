"""What a reader of uploads takes and gives: bytes in, records and faults out. It knows nothing of what reads it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a reader takes: bytes of one line or row, of all documents together, and of memory to unpack them in."""

    record_bytes: int
    documents_bytes: int
    unpack_memory_bytes: int


@dataclass(frozen=True, slots=True)
class Record:
    """One document as it was sent: a JSON object as bytes, or its fields. `number` is that of its line or row, from 1.

    Nothing about it has been checked yet but that it could be read.
    """

    number: int
    content: bytes | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one line or row; `pointer` names the field. After the `last` one nothing more can be read."""

    number: int
    pointer: str
    message: str
    last: bool = False


Found = Iterator[Record | Fault]


class UnreadableFileError(Exception):
    """The file is at fault as a whole; the message says how, for whoever sent it."""


class Reader(Protocol):
    """Reads one format. Not safe between threads. What it gives must be taken to the end before it is fed again.

    `unpacks` says whether most of the work comes after the last byte, in `finish`; `counts` what the numbers count.
    """

    unpacks: ClassVar[bool]
    counts: ClassVar[Literal["line", "row"]]

    def feed(self, data: bytes) -> Found:
        """Take the next bytes. Raises `UnreadableFileError`."""

    def finish(self) -> Found:
        """After the last byte: read what is left. Raises `UnreadableFileError`."""

    def close(self) -> None:
        """Close files and end processes."""


class ReaderOf(Protocol):
    """Makes the reader of one format."""

    def __call__(self, limits: Limits) -> Reader:
        """A reader of one file."""


def too_long(number: int, what: str, length: int, limit: int, *, last: bool = False) -> Fault:
    """The fault of a line or row that has at least so many bytes."""
    return Fault(number, "", f"the {what} has at least {length} bytes; the limit is {limit}", last)
