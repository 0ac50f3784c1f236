"""What a data set is written in: told by its media type, its file's ending, and where both say nothing its content."""

from collections.abc import Mapping
from typing import Final

from formats.datasets.containers.columns import INPUTS
from formats.datasets.containers.csv_dialect import delimiter_of, header_names, said_delimiter
from formats.datasets.layouts.columns import columns_of
from formats.encoding import encoding_of
from formats.errors import UnreadableFile

JSON, CSV, TSV, PARQUET, ZIP = "json", "csv", "tsv", "parquet", "zip"
CONTAINERS: Final = (JSON, CSV, TSV, PARQUET, ZIP)
"""What `json` is, lines or an array, its content says."""
UNSPECIFIC: Final = ("application/octet-stream", "text/plain", "")
"""Media types that programs send where they know none."""
BY_TYPE: Final[Mapping[str, str]] = {
    "application/x-ndjson": JSON,
    "application/ndjson": JSON,
    "application/jsonl": JSON,
    "application/x-jsonlines": JSON,
    "application/jsonlines": JSON,
    "application/json": JSON,
    "text/csv": CSV,
    "application/csv": CSV,
    "text/tab-separated-values": TSV,
    "application/vnd.apache.parquet": PARQUET,
    "application/x-parquet": PARQUET,
    "application/parquet": PARQUET,
    "application/zip": ZIP,
    "application/x-zip-compressed": ZIP,
}
BY_ENDING: Final[Mapping[str, str]] = {
    "jsonl": JSON,
    "ndjson": JSON,
    "json": JSON,
    "csv": CSV,
    "tsv": TSV,
    "tab": TSV,
    "parquet": PARQUET,
    "pq": PARQUET,
    "zip": ZIP,
}
HEAD_BYTES: Final = 1 << 16
"""So much of a file is enough to tell what it is."""
_MAGIC: Final = ((b"PAR1", PARQUET), (b"PK\x03\x04", ZIP), (b"PK\x05\x06", ZIP))
_ADVICE: Final = (
    "The content is nothing that data sets are written in: JSON Lines, JSON, CSV with the names of its columns in the "
    "first line, Parquet, a zip. Transcripts are sent in a zip, or one by itself to be analysed."
)


def container_named(media_type: str, file_name: str = "") -> str | None:
    """One of `CONTAINERS` by a media type, or else a file's ending; empty where its content decides.

    None where the type is specific, and not known.
    """
    if media_type in BY_TYPE:
        return BY_TYPE[media_type]
    ending = file_name.rpartition(".")[2].lower() if "." in file_name else ""
    return BY_ENDING.get(ending, "" if media_type in UNSPECIFIC else None)


def container_of(head: bytes) -> str:
    """One of `CONTAINERS` by the first `HEAD_BYTES` of a file, or all of it.

    Raises `UnreadableFile` where it is none of them.
    """
    packed = packed_as(head)
    if packed:
        return packed
    text = text_of(head).lstrip()
    if text[:1] in ("", "{", "["):
        return JSON
    if has_header(head):
        return CSV
    raise UnreadableFile(_ADVICE)


def packed_as(head: bytes | bytearray) -> str:
    """The container that a file's very first bytes tell; empty for text."""
    return next((container for magic, container in _MAGIC if head.startswith(magic)), "")


def has_header(head: bytes) -> bool:
    """Whether a file's first line names columns of a data set: those of documents, or of utterances."""
    lines = [line for line in text_of(head).splitlines() if line.strip()]
    if not lines:
        return False
    said = said_delimiter(lines[0].encode())
    header = lines[1] if said and len(lines) > 1 else lines[0]
    names = header_names(header, said or delimiter_of(header))
    return bool(set(names) & set(INPUTS)) or not columns_of(filter(None, names)).missing()


def text_of(head: bytes) -> str:
    """The first bytes of a file as text, as far as they are."""
    encoding, mark = encoding_of(head)
    return head[mark:].decode(encoding, errors="replace")
