"""What a file of an archive is: a transcript, a data set, or nothing that is read."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Final, Literal

from formats.datasets.archives.entries import Entries, Entry
from formats.datasets.archives.files import no_archive
from formats.datasets.containers.columns import RowsAsTheyAre
from formats.datasets.containers.json_shape import shape_of
from formats.datasets.contents import Contents
from formats.datasets.detection import HEAD_BYTES, JSON, has_header, text_of
from formats.datasets.layouts.documents import Documents
from formats.datasets.layouts.fields import BadField, fields_of
from formats.datasets.layouts.registry import detected
from formats.datasets.records import Limits, Record
from formats.encoding import decoded
from formats.errors import FormatError, UnknownFormat
from formats.notes import Notes
from formats.transcripts.pieces import Content
from formats.transcripts.registry import format_of

Kind = Literal["transcript", "dataset", "archive", "office", "passed over"]

MOST_TRANSCRIPT_BYTES: Final = 32 << 20
"""What is longer is no transcript: a day's talk has some megabytes."""
_DATASETS: Final = frozenset({"jsonl", "ndjson", "csv", "tsv", "tab", "parquet", "pq"})
_TABLES: Final = frozenset({"csv", "tsv", "tab"})
_IN_TABLES: Final = frozenset({"elan", "whisper"})
"""Formats of transcripts that are tables."""
_TRANSCRIPTS: Final = frozenset({"vtt", "srt", "sbv", "cha", "rttm"})
_ARCHIVES: Final = frozenset({"zip", "gz", "tgz", "bz2", "xz", "tar", "7z", "rar", "zst"})
_MAGIC: Final = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08", b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ")
_OFFICE: Final = frozenset({"docx", "doc", "odt", "rtf", "pdf", "xlsx", "xls", "ods", "pages"})
_BY_ENDING: Final[Mapping[Kind, frozenset[str]]] = {
    "transcript": _TRANSCRIPTS,
    "dataset": _DATASETS,
    "archive": _ARCHIVES,
    "office": _OFFICE,
}
_OTHERS: Final = frozenset(
    {
        *("mp3", "m4a", "wav", "ogg", "opus", "flac", "aac", "wma", "amr", "mp4", "m4v", "mov", "mkv", "webm", "avi"),
        *("jpg", "jpeg", "png", "gif", "webp", "svg", "heic", "bmp", "tif", "tiff", "ico"),
        *("html", "htm", "css", "js", "py", "ipynb", "yaml", "yml", "toml", "ini", "cfg", "bin", "pkl", "npy", "npz"),
        *("arrow", "db", "sqlite", "vcf", "ics", "ds_store", "lock", "sha256", "md5", "eaf", "textgrid"),
    }
)
_ABOUT: Final = ("readme", "license", "licence", "copying", "notice", "citation", "changelog", "authors")
_ABOUT_ENDINGS: Final = frozenset({"", "md", "txt", "rst", "json", "cff"})
_OF_DATA_SETS: Final = frozenset({"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"})
_OF_SYSTEMS: Final = frozenset({"__macosx", "thumbs.db", "desktop.ini"})


def kind_by_name(entry: Entry) -> Kind | None:
    """What a file is by its name; None where its content decides."""
    if _is_hidden(entry) or _is_about(entry) or entry.ending in _OTHERS:
        return "passed over"
    return next((kind for kind, endings in _BY_ENDING.items() if entry.ending in endings), None)


def kind_of(entries: Entries, entry: Entry, limits: Limits, *, named: bool) -> Kind:
    """What a file is. Where the layout is named nothing is a transcript. Raises `UnreadableFile`."""
    kind = kind_by_name(entry)
    if not named:
        if entry.ending in _TABLES and _is_table_of_speech(entries, entry):
            return "transcript"
        return kind or _by_content(entries, entry, limits)
    return "passed over" if kind == "transcript" else kind or "dataset"


def _is_table_of_speech(entries: Entries, entry: Entry) -> bool:
    """Whether a table is one of those that programs write transcripts in."""
    return is_table_of_speech(Content(text_of(_first_bytes(entries.pieces(entry), HEAD_BYTES)), entry.base))


def is_table_of_speech(content: Content) -> bool:
    """Whether the content of a table is a transcript's."""
    try:
        return format_of(content).name in _IN_TABLES
    except FormatError:
        return False


def is_speech(content: Content, head: bytes) -> bool:
    """Whether a text is a transcript and no data set, or has the shape of neither and is told so as a transcript.

    `head` are its first bytes. Raises BadTranscript for an empty one.
    """
    holds_records = content.text.lstrip()[:1] in ("{", "[")
    try:
        found = format_of(content).name
    except UnknownFormat:
        return not holds_records and not has_header(head)
    return found != "lines" or not (holds_records or has_header(head))


def _is_hidden(entry: Entry) -> bool:
    """Whether it is a file that systems and programs leave behind."""
    return any(part.startswith((".", "~$")) or part.lower() in _OF_SYSTEMS for part in entry.name.split("/"))


def _is_about(entry: Entry) -> bool:
    """Whether it tells of the data and holds none: a licence, a README, a card."""
    base = entry.base.lower()
    return base in _OF_DATA_SETS or (base.startswith(_ABOUT) and entry.ending in _ABOUT_ENDINGS)


def _by_content(entries: Entries, entry: Entry, limits: Limits) -> Kind:
    pieces = entries.pieces(entry)
    head = _first_bytes(pieces, HEAD_BYTES)
    if head.startswith(_MAGIC):
        return "archive"
    records = text_of(head).lstrip()[:1] in ("{", "[")
    if entry.size > MOST_TRANSCRIPT_BYTES or (records and _shows_a_layout(head, limits)):
        return "dataset"
    try:
        text = Content(decoded(b"".join(chain([head], pieces)))[0], entry.base)
        return "transcript" if is_speech(text, head) else "dataset"
    except FormatError:
        return "transcript"  # whoever reads it says what is wrong


def _shows_a_layout(head: bytes, limits: Limits) -> bool:
    """Whether it has many records, the first of a layout that no transcript could be taken for."""
    shape = shape_of(head)
    if shape.kind == "value" or (shape.kind == "lines" and len(head.strip().split(b"\n", 1)) < 2):
        return False
    contents = Contents(limits, Notes(), lambda _: RowsAsTheyAre(), no_archive, JSON)
    try:
        first = next(chain(contents.feed(head), contents.finish()), None)
        fields = fields_of(first) if isinstance(first, Record) else {}
        return detected(fields) != Documents.name or "turns" in fields
    except (BadField, FormatError):
        return False


def _first_bytes(pieces: Iterator[bytes], count: int) -> bytes:
    """At least so many of the first bytes, or all there are."""
    head = bytearray()
    for piece in pieces:
        head += piece
        if len(head) >= count:
            break
    return bytes(head)
