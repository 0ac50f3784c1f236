"""The records of one file, whatever it is written in: its container is told as it arrives, its text made UTF-8."""

from collections.abc import Callable
from typing import Final

from formats.datasets.containers.columns import RowsOf
from formats.datasets.containers.csv_dialect import TAB
from formats.datasets.containers.csv_rows import CsvRows
from formats.datasets.containers.json_items import JsonItems
from formats.datasets.containers.json_lines import JsonLines
from formats.datasets.containers.json_shape import shape_of
from formats.datasets.containers.parquet import ParquetRows
from formats.datasets.detection import CSV, HEAD_BYTES, JSON, PARQUET, TSV, ZIP, container_of, packed_as
from formats.datasets.records import Container, Found, Limits
from formats.encoding import Transcoder
from formats.notes import Notes

OF_TEXT: Final = frozenset({JSON, CSV, TSV})


class Contents:
    """Gives the records of a file that arrives in pieces.

    `named` is one of `detection.CONTAINERS`, or empty where the content tells it. `rows_of` settles what rows of a
    table are; `archive` makes the container of a zip.
    """

    def __init__(
        self, limits: Limits, notes: Notes, rows_of: RowsOf, archive: Callable[[], Container], named: str = ""
    ) -> None:
        self.named = named
        self.container: Container | None = None
        self._limits = limits
        self._notes = notes
        self._rows_of = rows_of
        self._archive = archive
        self._head = bytearray()
        self._transcoder: Transcoder | None = None

    @property
    def encoding(self) -> str:
        """That of text; everything else has its own, which is UTF-8."""
        return (self._transcoder.encoding if self._transcoder is not None else "") or "utf-8"

    @property
    def unpacks(self) -> bool:
        """Whether most of the work comes after the last byte, in `finish`; known from the first bytes on."""
        if self.container is not None:
            return self.container.unpacks
        return (self.named or packed_as(self._head)) in (PARQUET, ZIP)

    def feed(self, data: bytes) -> Found:
        """Take the next bytes. Raises `UnreadableFile`."""
        if self.container is None:
            self._head += data
            if len(self._head) < HEAD_BYTES:
                return
            yield from self._begun(whole=False)
            return
        yield from self.container.feed(data if self._transcoder is None else self._transcoder.feed(data))

    def finish(self) -> Found:
        """After the last byte: read what is left. Raises `UnreadableFile`."""
        if self.container is None:
            yield from self._begun(whole=True)
        elif self._transcoder is not None:
            yield from self.container.feed(self._transcoder.finish())
        assert self.container is not None
        yield from self.container.finish()

    def close(self) -> None:
        """Close files and end processes."""
        if self.container is not None:
            self.container.close()

    def _begun(self, *, whole: bool) -> Found:
        """Settle what the file is written in, and read what was held so long."""
        head = bytes(self._head)
        self._head.clear()
        self.named = self.named or container_of(head)
        if self.named in OF_TEXT:
            self._transcoder = Transcoder()
            head = self._transcoder.feed(head) + (self._transcoder.finish() if whole else b"")
        self.container = self._container(head)
        return self.container.feed(head)

    def _container(self, head: bytes) -> Container:
        if self.named == JSON:
            shape = shape_of(head)
            return JsonLines(self._limits) if shape.kind == "lines" else JsonItems(self._limits, self._notes, shape)
        if self.named in OF_TEXT:
            return CsvRows(self._limits, self._notes, self._rows_of, TAB if self.named == TSV else None)
        if self.named == PARQUET:
            return ParquetRows(self._limits, self._rows_of)
        return self._archive()
