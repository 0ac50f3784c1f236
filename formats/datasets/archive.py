"""Archives as data sets: a zip as its bytes arrive, and a folder. What they hold is told by the files in them."""

import tempfile
from pathlib import Path
from typing import ClassVar, Final

from formats.datasets.archives.entries import Entries, FolderEntries, ZipEntries
from formats.datasets.archives.holdings import Holdings
from formats.datasets.archives.reading import ArchiveReading
from formats.datasets.layouts.registry import AUTO
from formats.datasets.records import Found, Limits
from formats.errors import UnreadableFile
from formats.notes import Notes
from models.schemas.documents import Names

MAGIC: Final = (b"PK\x03\x04", b"PK\x05\x06")


class _Archive:
    """What a zip and a folder have in common: the layouts of what they hold, known once they were read."""

    def __init__(
        self,
        limits: Limits,
        notes: Notes,
        *,
        layout: str = AUTO,
        branches: str = "preferred",
        names: Names = "keep",
    ) -> None:
        self._limits = limits
        self._reading = ArchiveReading(limits, notes, layout, branches, names)
        self._entries: Entries | None = None

    @property
    def layout(self) -> str:
        """The layouts of what it holds: those of data sets, `slack`, `transcripts`; empty before it was read."""
        return ", ".join(self._reading.layouts)

    def _documents(self, entries: Entries) -> Found:
        self._entries = entries
        yield from Holdings(entries, self._reading).documents()

    def close(self) -> None:
        """Close files."""
        if self._entries is not None:
            self._entries.close()


class ArchiveDocuments(_Archive):
    """Reads a zip: a container whose records are documents already, each with its file and its place in that file."""

    name: ClassVar[str] = "zip"
    unpacks: ClassVar[bool] = True

    def __init__(
        self, limits: Limits, notes: Notes, *, layout: str = AUTO, branches: str = "preferred", names: Names = "keep"
    ) -> None:
        super().__init__(limits, notes, layout=layout, branches=branches, names=names)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._length = 0

    def feed(self, data: bytes) -> Found:
        """Keep the next bytes: what a zip holds stands at its end. Raises `UnreadableFile` where it is no zip."""
        if not self._length and len(data) >= len(MAGIC[0]) and not data.startswith(MAGIC):
            raise UnreadableFile("It is no zip: it does not begin with `PK`.")
        self._file.write(data)
        self._length += len(data)
        yield from ()

    def finish(self) -> Found:
        """The documents of every file in it. Raises `UnreadableFile`."""
        self._file.flush()
        yield from self._documents(ZipEntries(self._file, self._length, self._limits.documents_bytes))

    def close(self) -> None:
        """Close and remove the file."""
        super().close()
        self._file.close()


class FolderDocuments(_Archive):
    """Reads a folder as a zip of it would be read. It is a container that is fed nothing."""

    name: ClassVar[str] = "folder"
    unpacks: ClassVar[bool] = True

    def __init__(
        self,
        folder: Path,
        limits: Limits,
        notes: Notes,
        *,
        layout: str = AUTO,
        branches: str = "preferred",
        names: Names = "keep",
    ) -> None:
        super().__init__(limits, notes, layout=layout, branches=branches, names=names)
        self._folder = folder

    def feed(self, data: bytes) -> Found:
        """A folder has no bytes. Raises ValueError for any."""
        if data:
            raise ValueError("a folder is read by its path")
        yield from ()

    def finish(self) -> Found:
        """The documents of every file in it. Raises `UnreadableFile`, and OSError for what may not be read."""
        yield from self._documents(FolderEntries(self._folder))
