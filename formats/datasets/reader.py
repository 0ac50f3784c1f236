"""Reading a data set: bytes as they arrive in, checked documents and faults out, in the end what it was taken for."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from formats.datasets.archive import ArchiveDocuments, FolderDocuments
from formats.datasets.containers.columns import Rows, RowsAsTheyAre, RowsOfDocuments
from formats.datasets.contents import Contents
from formats.datasets.detection import CONTAINERS, ZIP
from formats.datasets.documents import Documents
from formats.datasets.layouts.fields import BadField, fields_of
from formats.datasets.layouts.registry import AUTO, BRANCHES, LAYOUTS, detected
from formats.datasets.records import Container, Fault, Found, Layout, Limits, Record
from formats.documents import DatasetReading, Document
from formats.encoding import GUESS, GUESS_NOTE
from formats.notes import Notes
from models.schemas.documents import Names

DOCUMENTS: Final = "documents"


class DatasetReader:
    """Reads one data set. Not safe between threads; what it gives must be taken to the end before it is fed again.

    Parameters
    ----------
    limits: what is more is a fault, told before it is held.
    layout: a name of `LAYOUTS`; `auto` tells it by the first record.
    container: a name of `detection.CONTAINERS`; where empty, the content tells it.
    branches: of records that hold several conversations.
    names: with `pseudonyms`, speakers are P1, P2, ... by first speech in each document.
    folder: is read as a zip of it would be; nothing is fed then.

    Raises ValueError for a layout, a container or branches that there are not.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        layout: str = AUTO,
        container: str = "",
        branches: str = "preferred",
        names: Names = "keep",
        folder: Path | None = None,
    ) -> None:
        for what, given, known in (
            ("layout", layout, (AUTO, *LAYOUTS)),
            ("container", container, ("", *CONTAINERS)),
            ("branches", branches, BRANCHES),
            ("names", names, ("keep", "pseudonyms")),
        ):
            if given not in known:
                raise ValueError(f"{what} is one of {', '.join(filter(None, known))}; {given[:60]!r} was given")
        self._limits = limits
        self._asked = layout
        self._branches = branches
        self._names = names
        self._notes = Notes()
        self._documents = Documents(limits, names)
        self._folder = folder
        named = container if folder is None else ZIP
        self._contents = Contents(limits, self._notes, self._rows_of, self._archive, named)
        self._layout: Layout | None = None
        self._ended = False

    @property
    def unpacks(self) -> bool:
        """Whether `finish` takes much memory and time."""
        return self._contents.unpacks or (self._layout is not None and self._layout.gathers)

    @property
    def reading(self) -> DatasetReading:
        """What the data set was taken for; whole once `finish` came to its end."""
        container = self._contents.container
        layout = DOCUMENTS if self._layout is None else self._layout.name
        if isinstance(container, ArchiveDocuments | FolderDocuments):
            layout = container.layout
        shown = _hidden if self._names == "pseudonyms" else str
        encoding = self._contents.encoding
        return DatasetReading(
            container="" if container is None else container.name,
            layout=layout,
            encoding=encoding,
            documents=self._documents.documents,
            turns=self._documents.turns,
            passed_over=dict(sorted(self._documents.passed_over.items())),
            notes=tuple(dict.fromkeys([*([GUESS_NOTE] if encoding == GUESS else []), *self._notes.sentences(shown)])),
        )

    def feed(self, data: bytes) -> Iterator[Document | Fault]:
        """The documents and faults that the next bytes complete. Raises `UnreadableFile`."""
        if not self._ended:
            yield from self._of_records(self._contents.feed(data))

    def finish(self) -> Iterator[Document | Fault]:
        """Those that are left after the last byte. Raises `UnreadableFile`."""
        if not self._ended:
            yield from self._of_records(self._contents.finish())
        if self._layout is not None and not self._ended:
            yield from self._checked(self._layout.finish())
        self._ended = True

    def close(self) -> None:
        """Close files and end processes."""
        self._contents.close()
        if self._layout is not None:
            self._layout.close()

    def _archive(self) -> Container:
        options = {"layout": self._asked, "branches": self._branches}
        if self._folder is not None:
            return FolderDocuments(self._folder, self._limits, self._notes, names=self._names, **options)
        return ArchiveDocuments(self._limits, self._notes, names=self._names, **options)

    def _rows_of(self, row: Mapping[str, Any]) -> Rows:
        """What the rows of a table are, by the first of them. Raises ValueError."""
        layout = self._layout or self._begin_layout(row)
        return RowsOfDocuments(list(row)) if layout.name == DOCUMENTS else RowsAsTheyAre()

    def _begin_layout(self, fields: Mapping[str, Any]) -> Layout:
        name = detected(fields) if self._asked == AUTO else self._asked
        self._layout = LAYOUTS[name](self._limits, self._notes, self._branches)
        return self._layout

    def _of_records(self, found: Found) -> Iterator[Document | Fault]:
        """Records as the file has them as documents; those of an archive are documents already."""
        for each in found:
            if isinstance(each, Fault) or self._contents.named == ZIP:
                yield from self._checked((each,))
            else:
                yield from self._checked(self._taken(each))
            if self._ended:
                return

    def _taken(self, record: Record) -> Found:
        """What the layout makes of a record, which is parsed once and for all."""
        try:
            fields = fields_of(record)
        except BadField as error:
            yield error.fault(record)
            return
        layout = self._layout or self._begin_layout(fields)
        yield from layout.take(replace(record, content=fields))

    def _checked(self, found: Iterable[Record | Fault]) -> Iterator[Document | Fault]:
        for each in found:
            if isinstance(each, Record):
                yield self._documents.checked(each)
                continue
            self._ended = self._ended or each.last
            yield each
            if each.last:
                return


def _hidden(name: str) -> str:
    """What stands for a name that must not be kept; each document has pseudonyms of its own."""
    return name if name == "unknown" else "..."
