"""Reading whatever somebody holds: a transcript, a data set, or a folder of either. The one entry of this package."""

from pathlib import Path
from typing import Final

from formats.datasets.archives.kinds import MOST_TRANSCRIPT_BYTES, is_speech, is_table_of_speech
from formats.datasets.detection import HEAD_BYTES
from formats.datasets.read import LIMITS, OpenedDataset, read_dataset
from formats.datasets.records import Limits
from formats.documents import Transcript
from formats.encoding import decoded
from formats.errors import BadTranscript, FormatError
from formats.transcripts.pieces import Content
from formats.transcripts.read import Names, Speakers, read_transcript
from formats.transcripts.registry import AUTO

_TRANSCRIPTS: Final = frozenset({".vtt", ".srt", ".sbv", ".cha", ".rttm", ".eaf"})
_DATASETS: Final = frozenset({".jsonl", ".ndjson", ".parquet", ".pq", ".zip"})
_TABLES: Final = frozenset({".csv", ".tsv"})
_MAGIC: Final = (b"PAR1", b"PK\x03\x04", b"PK\x05\x06")


def read(
    source: str | Path | bytes,
    format: str = AUTO,  # noqa: A002 - the contract's word
    *,
    layout: str = AUTO,
    speakers: Speakers | None = None,
    names: Names = "keep",
    branches: str = "preferred",
    file_name: str = "",
    limits: Limits = LIMITS,
) -> Transcript | OpenedDataset:
    """What a file holds: the turns of a transcript, or the documents of a data set; of either what it was taken for.

    Parameters
    ----------
    source: a path, also of a folder; or a file's bytes, with `file_name` where it is known.
    format: of a transcript, one of docs/formats.md. `auto` tells it, and whether it is one, by the content.
    layout: of a data set, likewise.
    speakers: settles who speaks in a transcript: a list of all names, or a table from aliases to names.
    names: with `pseudonyms` speakers are P1, P2, ... by first speech.
    branches: of records that hold several conversations: `preferred`, `rejected` or `all`.
    limits: how much of a data set is taken.

    Raises FormatError with the place of the fault, and OSError where a path cannot be read.
    """
    path = Path(source) if isinstance(source, str | Path) else None
    named = file_name or ("" if path is None else path.name)
    if path is None or path.is_file():
        content = source if isinstance(source, bytes) else _small(Path(source))
        if layout == AUTO and content is not None and (format != AUTO or is_transcript(content, named)):
            return read_transcript(content, format, speakers=speakers, names=names, file_name=named)
    if format != AUTO:
        raise BadTranscript(f"a transcript has at most {MOST_TRANSCRIPT_BYTES >> 20} MiB")
    return read_dataset(
        source if path is None else path,
        layout=layout,
        names=names,
        branches=branches,
        file_name=named,
        limits=limits,
    )


def is_transcript(content: bytes, file_name: str = "") -> bool:
    """Whether a file is a transcript, by its name's ending where that says so, else by its content."""
    ending = Path(file_name).suffix.lower()
    if ending in _TRANSCRIPTS:
        return True
    if ending in _DATASETS or content.startswith(_MAGIC):
        return False
    try:
        text = Content(decoded(content)[0], file_name)
    except FormatError:
        return False
    return is_table_of_speech(text) if ending in _TABLES else is_speech(text, content[:HEAD_BYTES])


def _small(path: Path) -> bytes | None:
    """A file's bytes; None where it is too long for a transcript."""
    return path.read_bytes() if path.stat().st_size <= MOST_TRANSCRIPT_BYTES else None
