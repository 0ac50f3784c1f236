"""What passes between containers and layouts: records and faults, and the protocols of both."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from formats.documents import Place, Reading
from formats.notes import Notes


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is taken: bytes of one record and of all together, memory to unpack in, and the size of a document."""

    record_bytes: int
    documents_bytes: int
    unpack_memory_bytes: int
    document_characters: int
    turns: int


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it was sent: a JSON object as bytes, or its fields. Nothing is checked but that it can be read.

    A layout gives records too: then the fields are those of one document (id, domain, text | turns | messages, labels,
    cluster), and every other field or member is one that is passed over. `reading` is that of a transcript.
    """

    place: Place
    content: bytes | Mapping[str, Any]
    reading: Reading | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one record; `pointer` names the field. After the `last` one nothing more can be read."""

    place: Place
    pointer: str
    message: str
    last: bool = False


Found = Iterator[Record | Fault]


def too_long(place: Place, length: int, limit: int, *, last: bool = False) -> Fault:
    """The fault of a record that has at least so many bytes."""
    return Fault(place, "", f"the {place.counts} has at least {length} bytes; the limit is {limit}", last)


class Container(Protocol):
    """Reads one format. Not safe between threads. What it gives must be taken to the end before it is fed again.

    `unpacks` says whether most of the work comes after the last byte, in `finish`.
    """

    name: ClassVar[str]
    unpacks: ClassVar[bool]

    def feed(self, data: bytes) -> Found:
        """Take the next bytes. Raises `UnreadableFile`."""

    def finish(self) -> Found:
        """After the last byte: read what is left. Raises `UnreadableFile`."""

    def close(self) -> None:
        """Close files and end processes."""


class Layout(Protocol):
    """Makes records that are documents from records as they stand in a file.

    Most give one for one; those that gather (utterances into conversations) keep what they were given on disk, and give
    documents in `finish`. `gathers` says so.
    """

    name: ClassVar[str]
    gathers: ClassVar[bool]

    def take(self, record: Record) -> Found:
        """The documents that this record completes, or its fault. Its `content` are fields, never bytes."""

    def finish(self) -> Found:
        """After the last record: the documents that are left."""

    def close(self) -> None:
        """Remove what was kept on disk."""


class LayoutOf(Protocol):
    """Makes the layout of one data set."""

    def __call__(self, limits: Limits, notes: Notes, branches: str) -> Layout:
        """`branches`: `preferred`, `rejected` or `all`, where a record holds several conversations."""
