"""ConvoKit corpora in an archive: the utterances of one, with what is told of its conversations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic_core import from_json

from formats.datasets.archives.entries import Entries, Entry
from formats.datasets.archives.files import no_archive
from formats.datasets.archives.reading import ArchiveReading, in_file, naming
from formats.datasets.containers.columns import RowsAsTheyAre
from formats.datasets.containers.json_items import members
from formats.datasets.contents import Contents
from formats.datasets.detection import JSON
from formats.datasets.layouts.convokit import ConvoKit
from formats.datasets.records import Fault, Found
from formats.errors import UnreadableFile
from formats.notes import quoted

UTTERANCES: Final = ("utterances.jsonl", "utterances.json")
CONVERSATIONS: Final = "conversations.json"
OTHERS: Final = ("speakers.json", "users.json", "corpus.json", "index.json")
"""One of them, or what is told of conversations, must stand beside the utterances."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """The files of a corpus that are read, and the others that belong to it."""

    utterances: Entry
    conversations: Entry | None
    others: Sequence[Entry]

    @property
    def files(self) -> list[Entry]:
        """Every file of it."""
        return [self.utterances, *([] if self.conversations is None else [self.conversations]), *self.others]


def corpora_in(files: Sequence[Entry]) -> list[Corpus]:
    """Every corpus among the files, one a folder."""
    folders: dict[str, dict[str, Entry]] = {}
    for entry in files:
        folders.setdefault(entry.folder, {})[entry.base] = entry
    return [corpus for inside in folders.values() if (corpus := _corpus(inside)) is not None]


def _corpus(inside: dict[str, Entry]) -> Corpus | None:
    utterances = next((inside[name] for name in UTTERANCES if name in inside), None)
    others = [inside[name] for name in OTHERS if name in inside]
    if utterances is None or not (others or CONVERSATIONS in inside):
        return None
    return Corpus(utterances, inside.get(CONVERSATIONS), others)


def documents_of(corpus: Corpus, entries: Entries, reading: ArchiveReading) -> Found:
    """The conversations of a corpus. Raises `UnreadableFile`."""
    layout = ConvoKit(reading.limits, reading.notes, reading.branches)
    contents = Contents(reading.limits, reading.notes, lambda _: RowsAsTheyAre(), no_archive, JSON)
    reading.met(layout.name)
    try:
        if corpus.conversations is not None:
            _describe(corpus.conversations, entries, reading, layout)
        yield from in_file(_taken(corpus.utterances, entries, contents, layout), corpus.utterances.name)
    finally:
        contents.close()
        layout.close()
    if corpus.others:
        names = ", ".join(quoted(entry.base) for entry in corpus.others)
        reading.notes.say(f"of the corpus nothing is taken from {names}", count=0)


def _describe(entry: Entry, entries: Entries, reading: ArchiveReading, layout: ConvoKit) -> None:
    with naming(entry):
        for conversation, told in members(entries.pieces(entry), reading.limits.record_bytes):
            try:
                layout.describe(conversation, from_json(told))
            except ValueError as error:
                raise UnreadableFile(f"the conversation `{conversation[:60]}`: Invalid JSON: {error}") from None


def _taken(entry: Entry, entries: Entries, contents: Contents, layout: ConvoKit) -> Found:
    with naming(entry):
        for piece in entries.pieces(entry):
            for each in contents.feed(piece):
                yield from (each,) if isinstance(each, Fault) else layout.take(each)
        for each in contents.finish():
            yield from (each,) if isinstance(each, Fault) else layout.take(each)
        yield from layout.finish()
