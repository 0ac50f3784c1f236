"""What an archive holds: corpora, exports, transcripts and data set files, read one after another by their names."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import Final

from formats.datasets.archives import corpora, exports
from formats.datasets.archives.entries import Entries, Entry
from formats.datasets.archives.files import NESTED, DataFile
from formats.datasets.archives.kinds import kind_by_name, kind_of
from formats.datasets.archives.reading import PSEUDONYMS, ArchiveReading
from formats.datasets.archives.transcripts import transcript
from formats.datasets.layouts.convokit import ConvoKit
from formats.datasets.layouts.fields import counted
from formats.datasets.layouts.registry import AUTO
from formats.datasets.layouts.utterances import Utterances
from formats.datasets.records import Found
from formats.errors import UnreadableFile
from formats.notes import quoted

MOST_NAMED: Final = 5
_PART: Final = re.compile(r"(?P<name>[^\n]*)-\d{5}-of-(?P<count>\d{5})(?:-[0-9a-f]{8,40})?\.(?P<ending>\w{1,8})")
_SAVE_AS_TEXT: Final = "It is a document of an office program; save it as text, or a table as CSV."
_WITH_ENDINGS: Final = "files whose names differ in the ending alone are documents each, and named with it"


class Holdings:
    """Gives the documents of an archive; a file is opened when its turn comes."""

    def __init__(self, entries: Entries, reading: ArchiveReading) -> None:
        self._entries = entries
        self._reading = reading
        self._passed_over: list[Entry] = []
        self._taken: set[str] = set()
        self._data_files = 0
        self._read = 0

    def documents(self) -> Found:
        """Every document and fault, in order of the files' paths. Raises `UnreadableFile`."""
        for step in self._steps():
            yield from step()
        if self._data_files > 1 and Utterances.name in self._reading.layouts:
            self._reading.notes.say("utterances are gathered within each file: no conversation goes on in another one")
        self._say_passed_over()
        if not self._read:
            raise UnreadableFile("It holds no file that is read: no transcript and no data set.")

    def _steps(self) -> Iterator[Callable[[], Found]]:
        """What is to be read, each by its first file."""
        known = self._known()
        files = [entry for entry in self._entries.files if entry.name not in self._taken]
        alone = [entry for entry in files if known.keys().isdisjoint(_folders(entry))]
        self._passed_over.extend(entry for entry in files if not known.keys().isdisjoint(_folders(entry)))
        stems = Counter(_stem(entry) for entry in alone if kind_by_name(entry) != "passed over")
        parts: dict[str, list[Entry]] = {}
        for entry in alone:
            parts.setdefault(_whole(entry), []).append(entry)
        steps: list[tuple[str, Callable[[], Found]]] = list(known.items())
        for whole, together in parts.items():
            identity = _stem(together[0]) if stems[_stem(together[0])] == 1 else together[0].name
            steps.append((whole, partial(self._file, together, identity)))
        yield from (step for _, step in sorted(steps, key=lambda each: each[0]))

    def _known(self) -> dict[str, Callable[[], Found]]:
        """Folders that are something as a whole, and how each is read."""
        found: dict[str, Callable[[], Found]] = {}
        files = [entry for entry in self._entries.files if kind_by_name(entry) != "passed over"]
        if self._reading.layout in (AUTO, ConvoKit.name):
            for corpus in corpora.corpora_in(files):
                found[corpus.utterances.folder] = partial(self._corpus, corpus)
                self._taken.update(entry.name for entry in corpus.files)
        if self._reading.layout == AUTO:
            for export in exports.exports_in(files):
                found[export.folder] = partial(self._export, export)
                self._taken.update(entry.name for entry in export.files)
        return found

    def _corpus(self, corpus: corpora.Corpus) -> Found:
        self._read += 1
        return corpora.documents_of(corpus, self._entries, self._reading)

    def _export(self, export: exports.Export) -> Found:
        self._read += 1
        return exports.documents_of(export, self._entries, self._reading)

    def _file(self, parts: Sequence[Entry], identity: str) -> Found:
        entry = parts[0]
        kind = kind_of(self._entries, entry, self._reading.limits, named=self._reading.layout != AUTO)
        if kind == "archive":
            raise UnreadableFile(f"{entry.name}: {NESTED}")
        if kind == "office":
            raise UnreadableFile(f"{entry.name}: {_SAVE_AS_TEXT}")
        if kind == "passed over":
            self._passed_over.extend(parts)
            return
        self._read += 1
        if kind == "transcript":
            if entry.ending and identity == entry.name:
                self._reading.notes.say(_WITH_ENDINGS, count=0)
            for part in parts:
                named = identity if part is entry else _stem(part)
                yield transcript(self._entries, part, named, self._reading)
            return
        self._data_files += 1
        with closing(DataFile(self._reading, parts)) as file:
            yield from file.documents(self._entries)

    def _say_passed_over(self) -> None:
        count = len(self._passed_over)
        if not count:
            return
        what = f"{counted(count, 'file')} {'is' if count == 1 else 'are'} passed over"
        if self._reading.names == PSEUDONYMS:
            self._reading.notes.say(what)
            return
        names = sorted(entry.name for entry in self._passed_over)
        named = ", ".join(map(quoted, names[:MOST_NAMED]))
        self._reading.notes.say(f"{what}: {named}{' and others' if count > MOST_NAMED else ''}")


def _stem(entry: Entry) -> str:
    """A file's path without its ending."""
    return entry.name.removesuffix(f".{entry.name.rpartition('.')[2]}") if entry.ending else entry.name


def _whole(entry: Entry) -> str:
    """The file that it is, or is a part of: `train-00001-of-00003.parquet` is one of `train` in three parts."""
    cut = _PART.fullmatch(entry.name)
    return entry.name if cut is None else f"{cut['name']}-of-{cut['count']}.{cut['ending']}"


def _folders(entry: Entry) -> Iterator[str]:
    """The folder of a file and those around it, up to the top."""
    folder = entry.folder
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]
    yield ""
