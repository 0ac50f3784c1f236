"""What a person gives a command to be measured: any file that Hearken reads, a folder, or what comes on stdin."""

import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from formats.datasets.archives.kinds import MOST_TRANSCRIPT_BYTES
from formats.datasets.read import OpenedDataset
from formats.documents import Transcript
from formats.encoding import decoded
from formats.errors import UnknownFormat
from formats.read import is_transcript, read
from hearken.errors import StartRefused
from models.schemas.datasets import DatasetBranches

Format = Annotated[
    str, typer.Option("--format", help="Of a transcript: webvtt, whatsapp, ... (docs/formats.md); auto tells it.")
]
Layout = Annotated[str, typer.Option(help="Of a data set: documents, utterances, convokit, ...; auto tells it.")]
Speaker = Annotated[
    list[str] | None,
    typer.Option(
        "--speaker", help="A name that stands before colons, or ALIAS=NAME. Once for each; settles who speaks."
    ),
]
Names = Annotated[Literal["keep", "pseudonyms"], typer.Option(help="pseudonyms: speakers become P1, P2, ...")]
Branches = Annotated[DatasetBranches, typer.Option(help="Where records hold several conversations.")]


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """How a file is to be read, as the options of a command say."""

    format: str = "auto"
    layout: str = "auto"
    speakers: Sequence[str] | Mapping[str, str | None] | None = None
    names: Literal["keep", "pseudonyms"] = "keep"
    branches: DatasetBranches = "preferred"

    def of_datasets(self) -> dict[str, Any]:
        """Those of a data set's upload."""
        return {"layout": self.layout, "names": self.names, "branches": self.branches}


def speakers_of(options: Sequence[str] | None) -> Sequence[str] | dict[str, str | None] | None:
    """`--speaker Ana --speaker Bo` as a list, `--speaker Spk1=Ana` as a table. Raises `StartRefused` for both."""
    if not options:
        return None
    aliases = [option.partition("=") for option in options]
    given = {sign for _, sign, _ in aliases}
    if given == {""}:
        return list(options)
    if given == {"="}:
        return {alias: name or None for alias, _, name in aliases}
    raise StartRefused("--speaker is a name or ALIAS=NAME; give all of them in one of the two forms")


def read_file(file: Path, options: ReadingOptions) -> Transcript | OpenedDataset:
    """What a file or folder holds; `-` is stdin. Raises FormatError, and `StartRefused` where it cannot be opened."""
    return _read(_bytes_of(file), file, options)


def one_document(file: Path, options: ReadingOptions) -> dict[str, Any] | None:
    """The one document of a file, as `Client.analyze` takes it; None where it is a data set of several.

    With the format `text`, and with `auto` what is neither a transcript nor a data set, it is a text. Raises
    FormatError with the file's fault, and `StartRefused` where it cannot be opened.
    """
    content = _bytes_of(file)
    if options.format == "text" and content is not None:
        return {"text": decoded(content)[0]}
    try:
        found = _read(content, file, options)
    except UnknownFormat:
        if options.format != "auto" or content is None:
            raise
        return {"text": decoded(content)[0]}
    if isinstance(found, Transcript):
        assert content is not None
        transcript = {"format": found.reading.format, "content": decoded(content)[0], "names": options.names}
        return {"transcript": transcript | ({} if options.speakers is None else {"speakers": options.speakers})}
    documents = list(islice(found, 2))
    return dict(documents[0].content) if len(documents) == 1 else None


def _bytes_of(file: Path) -> bytes | None:
    """What stands in a file that could be a transcript; None for a folder or a file that is too long for one."""
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        small = file.is_file() and file.stat().st_size <= MOST_TRANSCRIPT_BYTES
        if not file.exists():
            raise StartRefused(f"{file} cannot be read: there is no such file")
        return file.read_bytes() if small else None
    except OSError as error:
        raise StartRefused(f"{file} cannot be read: {error.strerror}") from None


def _read(content: bytes | None, file: Path, options: ReadingOptions) -> Transcript | OpenedDataset:
    try:
        return read(
            file if content is None else content,
            options.format,
            layout=options.layout,
            speakers=options.speakers,
            names=options.names,
            branches=options.branches,
            file_name=file.name,
        )
    except ValueError as error:
        raise StartRefused(str(error)) from None


@contextmanager
def as_upload(file: Path) -> Iterator[Path]:
    """A file that the service takes as a data set: a folder or a transcript is packed as a zip for the moment.

    Raises `StartRefused` for stdin, which cannot be read a second time.
    """
    if str(file) == "-":
        raise StartRefused("several documents came on stdin; give the path of their file")
    content = _bytes_of(file)
    if file.is_file() and (content is None or not is_transcript(content, file.name)):
        yield file
        return
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder) / f"{file.stem}.zip"
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for each in [file] if file.is_file() else sorted(path for path in file.rglob("*") if path.is_file()):
                archive.write(each, each.name if file.is_file() else each.relative_to(file))
        yield packed
