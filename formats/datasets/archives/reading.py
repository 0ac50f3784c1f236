"""What reading an archive needs to know and what it tells: limits and wishes, notes, and the layouts that it met."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from formats.datasets.archives.entries import Entry
from formats.datasets.records import Fault, Found, Limits, Record
from formats.documents import Place, Transcript
from formats.errors import UnreadableFile
from formats.notes import Notes
from models.schemas.documents import Names

PSEUDONYMS: Final = "pseudonyms"


@dataclass(slots=True)
class ArchiveReading:
    """How an archive is to be read, and the layouts of what it holds, in the order in which they were met."""

    limits: Limits
    notes: Notes
    layout: str
    branches: str
    names: Names
    layouts: list[str] = field(default_factory=list)
    numbered: int = 0

    def met(self, layout: str) -> None:
        """Tell that something has this layout."""
        if layout not in self.layouts:
            self.layouts.append(layout)

    def identity(self, name: str) -> str:
        """The id of a document that has none but the name of its file, which may be that of somebody."""
        if self.names != PSEUDONYMS:
            return name
        self.numbered += 1
        self.notes.say("documents are numbered, for the names of their files may tell who speaks", count=0)
        return str(self.numbered)


def of_transcript(transcript: Transcript, identity: str, place: Place) -> Record:
    """A transcript as a record that is a document."""
    return Record(place, {"id": identity, **transcript.content}, transcript.reading)


def in_file(found: Iterable[Record | Fault], name: str) -> Found:
    """What a file's reader gives, with the file named in each place."""
    for each in found:
        yield replace(each, place=replace(each.place, file=name))


@contextmanager
def naming(entry: Entry) -> Iterator[None]:
    """Name the file in what is wrong with it as a whole."""
    try:
        yield
    except UnreadableFile as error:
        if str(error).startswith(f"{entry.name}: "):
            raise
        raise UnreadableFile(f"{entry.name}: {error}") from None
