"""The files of a zip or a folder: their names in order and their bytes, with what no honest zip does refused."""

import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from lzma import LZMAError
from os import walk
from pathlib import Path
from typing import IO, Final, Protocol

from formats.datasets.containers.parquet import FEW_BYTES, MOST_TIMES
from formats.datasets.layouts.fields import shown
from formats.errors import UnreadableFile

MOST_ENTRIES: Final = 100_000
MOST_PATH: Final = 1_000
MOST_DIRECTORY_BYTES: Final = 16 << 20
PIECE_BYTES: Final = 1 << 18
_ENCRYPTED: Final = 0x1
_BROKEN: Final = (
    zipfile.BadZipFile, zlib.error, LZMAError, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError,
    OSError, UnicodeError,
)  # fmt: skip
"""What reading a zip that is damaged or made to do harm brings about."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file: its path with `/` between folders, and how many bytes it has or claims to have."""

    name: str
    size: int

    @property
    def folder(self) -> str:
        """The path of its folder; empty at the top."""
        return self.name.rpartition("/")[0]

    @property
    def base(self) -> str:
        """Its name without folders."""
        return self.name.rpartition("/")[2]

    @property
    def ending(self) -> str:
        """What is behind the last dot of its name, in small letters; empty without one."""
        stem, dot, ending = self.base.rpartition(".")
        return ending.lower() if dot and stem else ""


class Entries(Protocol):
    """The files of an archive, sorted by their paths. Not safe between threads."""

    @property
    def files(self) -> Sequence[Entry]:
        """Every file."""

    def pieces(self, entry: Entry) -> Iterator[bytes]:
        """A file's bytes. Raises `UnreadableFile`."""

    def close(self) -> None:
        """Close files."""


class ZipEntries:
    """The files of a zip. Raises `UnreadableFile` for what is none, and for one that cannot be meant well."""

    def __init__(self, file: IO[bytes], length: int, most_bytes: int) -> None:
        self._length = length
        self._most = min(most_bytes, max(FEW_BYTES, MOST_TIMES * length))
        self._unpacked: dict[str, int] = {}
        self._total = 0
        try:
            self._zip = zipfile.ZipFile(_Bounded(file))
        except _BROKEN:
            raise UnreadableFile("The zip cannot be read: it is cut off or damaged.") from None
        self._infos = _checked(self._zip.infolist())
        self.files = [Entry(name, info.file_size) for name, info in sorted(self._infos.items())]

    def pieces(self, entry: Entry) -> Iterator[bytes]:
        """A file's bytes, unpacked. Raises `UnreadableFile`, also where too much comes out of so small a zip."""
        try:
            with self._zip.open(self._infos[entry.name]) as file:
                length = 0
                while piece := file.read(PIECE_BYTES):
                    length += len(piece)
                    self._count(entry.name, length)
                    if self._total > self._most:
                        raise UnreadableFile(
                            f"The zip unpacks to more than {self._most} bytes, the most that is taken of one of "
                            f"{self._length} bytes."
                        )
                    yield piece
        except NotImplementedError:
            raise UnreadableFile(f"{entry.name}: it is packed in a way that is not read; pack it anew.") from None
        except _BROKEN:
            raise UnreadableFile(f"{entry.name}: it cannot be unpacked; the zip is damaged.") from None

    def _count(self, name: str, length: int) -> None:
        """Add what was unpacked of a file, once if it is looked into before it is read."""
        before = self._unpacked.get(name, 0)
        if length > before:
            self._unpacked[name] = length
            self._total += length - before

    def close(self) -> None:
        """Close the zip."""
        self._zip.close()


class FolderEntries:
    """The files of a folder and of the folders in it; links to files are followed, links to folders are not."""

    def __init__(self, folder: Path) -> None:
        self._paths: dict[str, Path] = {}
        for here, folders, names in walk(folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for path in (Path(here, name) for name in names):
                if path.is_file():
                    self._paths[_named(path.relative_to(folder))] = path
            if len(self._paths) > MOST_ENTRIES:
                raise UnreadableFile(f"The folder has more than {MOST_ENTRIES} files; that is the limit.")
        self.files = [Entry(name, self._paths[name].stat().st_size) for name in sorted(self._paths)]

    def pieces(self, entry: Entry) -> Iterator[bytes]:
        """A file's bytes. Raises OSError."""
        with self._paths[entry.name].open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                yield piece

    def close(self) -> None:
        """Nothing is open."""


def _named(path: Path) -> str:
    """A path as text that can be shown: some systems keep names that are none."""
    return path.as_posix().encode("utf-8", "replace").decode()


class _Bounded:
    """The file of a zip, of which nothing is read at once that is longer than a list of its entries may be."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, count: int = -1) -> bytes:
        if count > MOST_DIRECTORY_BYTES:
            raise UnreadableFile(f"The list of the zip's entries has more than {MOST_DIRECTORY_BYTES} bytes.")
        return self._file.read(count)

    def close(self) -> None:
        """Whoever opened it closes it."""


def _checked(infos: Sequence[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """The files of a zip by their paths. Raises `UnreadableFile`."""
    if len(infos) > MOST_ENTRIES:
        raise UnreadableFile(f"The zip has {len(infos)} entries; at most {MOST_ENTRIES} are read.")
    found: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = info.filename.replace("\\", "/")
        if len(name) > MOST_PATH:
            raise UnreadableFile(f"The zip has the entry {shown(name)} of a path above {MOST_PATH} characters.")
        if name.startswith("/") or name[1:2] == ":" or ".." in name.split("/"):
            raise UnreadableFile(f"The zip has the entry {shown(name)}, whose path leads out of it.")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise UnreadableFile(f"The zip has the entry {shown(name)}, which is a link; pack the file itself.")
        if name.endswith("/"):
            continue
        if info.flag_bits & _ENCRYPTED:
            raise UnreadableFile(f"The zip has the entry {shown(name)}, which is encrypted; pack it without password.")
        if name in found:
            raise UnreadableFile(f"The zip has the entry {shown(name)} twice.")
        found[name] = info
    return found
