"""A data set file in an archive: its records by its own container and layout, as documents that are not checked yet."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from formats.datasets.archives.entries import Entries, Entry
from formats.datasets.archives.reading import ArchiveReading, in_file, naming
from formats.datasets.containers.columns import Rows, RowsAsTheyAre, RowsOfDocuments
from formats.datasets.contents import Contents
from formats.datasets.detection import container_named
from formats.datasets.layouts.documents import Documents
from formats.datasets.layouts.fields import BadField, fields_of
from formats.datasets.layouts.registry import AUTO, LAYOUTS, detected
from formats.datasets.records import Container, Fault, Found, Layout, Record
from formats.encoding import GUESS
from formats.errors import UnreadableFile

NESTED: Final = "An archive stands inside the archive; unpack it."


class DataFile:
    """Reads one file, or one that was cut into several. Close it after."""

    def __init__(self, reading: ArchiveReading, parts: Sequence[Entry]) -> None:
        self._reading = reading
        self._parts = parts
        self._layout: Layout | None = None
        self._contents: Contents | None = None

    def documents(self, entries: Entries) -> Found:
        """The documents and faults of the file, each with its place in it. Raises `UnreadableFile`."""
        for part in self._parts:
            with naming(part):
                yield from self._taken(self._records(entries, part))
        if self._layout is not None:
            yield from self._layout.finish()

    def close(self) -> None:
        """Close files and end processes."""
        for each in (self._contents, self._layout):
            if each is not None:
                each.close()

    def _records(self, entries: Entries, part: Entry) -> Found:
        """The records of a part as they stand in it."""
        self._contents = Contents(
            self._reading.limits, self._reading.notes, self._rows_of, no_archive, container_named("", part.base) or ""
        )
        for piece in entries.pieces(part):
            yield from in_file(self._contents.feed(piece), part.name)
        yield from in_file(self._contents.finish(), part.name)
        if self._contents.encoding == GUESS:
            self._reading.notes.say("files that are not UTF-8 were read as Windows-1252, which is a guess", count=0)
        self._contents.close()
        self._contents = None

    def _taken(self, found: Iterable[Record | Fault]) -> Iterator[Record | Fault]:
        for each in found:
            if isinstance(each, Fault):
                yield each
                continue
            try:
                layout = self._layout or self._begun(fields_of(each))
            except BadField as error:
                yield error.fault(each)
            else:
                yield from layout.take(each)

    def _rows_of(self, row: Mapping[str, Any]) -> Rows:
        layout = self._layout or self._begun(row)
        return RowsOfDocuments(list(row)) if layout.name == Documents.name else RowsAsTheyAre()

    def _begun(self, fields: Mapping[str, Any]) -> Layout:
        reading = self._reading
        name = detected(fields) if reading.layout == AUTO else reading.layout
        reading.met(name)
        self._layout = LAYOUTS[name](reading.limits, reading.notes, reading.branches)
        return self._layout


def no_archive() -> Container:
    """What reads an archive inside an archive: nothing."""
    raise UnreadableFile(NESTED)
