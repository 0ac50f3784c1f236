"""Reading a data set from a file, a folder or bytes, one document after another."""

from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, Self

from formats.datasets.detection import container_named
from formats.datasets.layouts.registry import AUTO
from formats.datasets.reader import DatasetReader
from formats.datasets.records import Fault, Limits
from formats.documents import DatasetReading, Document
from formats.errors import UnreadableFile
from models.schemas.documents import Names

LIMITS: Final = Limits(
    record_bytes=8 << 20,
    documents_bytes=64 << 30,
    unpack_memory_bytes=1 << 30,
    document_characters=2_000_000,
    turns=10_000,
)
"""A service's own limits may be other ones."""
PIECE_BYTES: Final = 1 << 18


class OpenedDataset:
    """The documents of a data set, one after another, once. Raises FormatError at the first fault.

    `reading` is what it was taken for, whole after the last document. What is read in part should be closed.
    """

    def __init__(self, documents: Generator[Document | Fault, None, None], reader: DatasetReader) -> None:
        self._documents = documents
        self._reader = reader

    @property
    def reading(self) -> DatasetReading:
        """What the data set was taken for, as far as it was read."""
        return self._reader.reading

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Document:
        try:
            found = next(self._documents)
        except BaseException:
            self._reader.close()
            raise
        if isinstance(found, Fault):
            self.close()
            place = f" at {found.pointer}" if found.pointer else ""
            raise UnreadableFile(f"{found.place}: {found.message}{place}")
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close files and end processes."""
        self._documents.close()
        self._reader.close()


def read_dataset(
    source: str | Path | BinaryIO | bytes,
    *,
    layout: str = AUTO,
    media_type: str = "",
    file_name: str = "",
    branches: str = "preferred",
    names: Names = "keep",
    limits: Limits = LIMITS,
) -> OpenedDataset:
    """Open a data set: a file or folder by its path, an open file, or bytes.

    Raises UnreadableFile for a media type that is none of a data set, ValueError for an option that there is not, and
    OSError where the path cannot be read.
    """
    container = container_named(media_type, file_name or (Path(source).name if isinstance(source, str | Path) else ""))
    if container is None:
        raise UnreadableFile(f"{media_type[:100]!r} is no media type of a data set.")
    folder = Path(source) if isinstance(source, str | Path) and Path(source).is_dir() else None
    reader = DatasetReader(limits, layout=layout, container=container, branches=branches, names=names, folder=folder)
    return OpenedDataset(_found(reader, () if folder is not None else _pieces(source)), reader)


def _found(reader: DatasetReader, pieces: Iterable[bytes]) -> Generator[Document | Fault, None, None]:
    for piece in pieces:
        yield from reader.feed(piece)
    yield from reader.finish()
    reader.close()


def _pieces(source: str | Path | BinaryIO | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield from (source[start : start + PIECE_BYTES] for start in range(0, len(source), PIECE_BYTES))
    elif isinstance(source, str | Path):
        with Path(source).open("rb") as file:
            yield from iter(lambda: file.read(PIECE_BYTES), b"")
    else:
        yield from iter(lambda: source.read(PIECE_BYTES), b"")
