"""The formats of a data set: the media types and file endings of each, and its reader."""

from collections.abc import Mapping

from service.uploads.readers.csv_rows import CsvRows
from service.uploads.readers.json_lines import JsonLines
from service.uploads.readers.parquet import ParquetRows
from service.uploads.readers.reader import ReaderOf

FORM = "multipart/form-data"
UNSPECIFIC = ("application/octet-stream", "text/plain", "")
"""Media types that programs send where they know none: a file's ending decides, else it is JSON Lines."""

BY_TYPE: Mapping[str, ReaderOf] = {
    "application/x-ndjson": JsonLines,
    "application/jsonl": JsonLines,
    "application/x-jsonlines": JsonLines,
    "application/jsonlines": JsonLines,
    "application/json": JsonLines,
    "text/csv": CsvRows,
    "application/csv": CsvRows,
    "application/vnd.apache.parquet": ParquetRows,
    "application/x-parquet": ParquetRows,
    "application/parquet": ParquetRows,
}
BY_ENDING: Mapping[str, ReaderOf] = {
    "jsonl": JsonLines,
    "ndjson": JsonLines,
    "json": JsonLines,
    "csv": CsvRows,
    "parquet": ParquetRows,
    "pq": ParquetRows,
}
TAKEN = "`application/x-ndjson`, `text/csv` or `application/vnd.apache.parquet`"


def reader_of(media_type: str, file_name: str = "") -> ReaderOf | None:
    """What makes the reader of a body of this type, or of a file of this type and name; None for unknown formats."""
    if media_type in BY_TYPE:
        return BY_TYPE[media_type]
    ending = file_name.rpartition(".")[2].lower() if "." in file_name else ""
    return BY_ENDING.get(ending, JsonLines if media_type in UNSPECIFIC else None)
