"""Analyses as files: Parquet, CSV and JSON Lines, made a page at a time so that memory does not grow with their number.

pyarrow is loaded when Parquet is first asked for.
"""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any, ClassVar, Protocol

from sqlalchemy import Row

from attention.definitions import METRIC_NAMES, METRICS
from service.views.resources import analysis_entry, analysis_layer

DESCRIPTIVE_COLUMNS = (
    "id",
    "job_id",
    "created_at",
    "model",
    "revision",
    "definitions",
    "domain",
    "external_id",
    "dataset_id",
    "labels",
    "tokens",
    "turns",
    "speakers",
    "windows",
    "truncated",
    "cached",
    "left_out_rows",
)
"""The columns before the metrics; in long form `layer` follows them."""
GROUP_ROWS = 10_000
GROUP_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class ExportRow:
    """One row of a file: an analysis (of `list_analyses`), in long form one of its layers."""

    analysis: Row[Any]
    layer: Row[Any] | None = None

    def columns(self) -> dict[str, Any]:
        """Every column's value by its name."""
        values: dict[str, Any] = {**self.analysis._mapping, "model": self.analysis.model_id}
        if self.layer is not None:
            values |= self.layer._mapping
        return values


class Export(Protocol):
    """A file while it is written. Not safe between threads."""

    media_type: ClassVar[str]

    def add(self, lines: Sequence[ExportRow]) -> bytes:
        """Take the next rows; the next bytes of the file, which may be none."""

    def end(self) -> bytes:
        """The last bytes of the file."""


class JsonLinesExport:
    """Each row as an entry of the list, a JSON object a line."""

    media_type: ClassVar[str] = "application/x-ndjson"

    def __init__(self, layers: bool) -> None:
        self._layers = layers

    def add(self, lines: Sequence[ExportRow]) -> bytes:
        """The next lines."""
        return "".join(self._entry(line) + "\n" for line in lines).encode()

    def end(self) -> bytes:
        """Nothing: such a file has no end mark."""
        return b""

    def _entry(self, line: ExportRow) -> str:
        if line.layer is None:
            return analysis_entry(line.analysis).model_dump_json()
        return analysis_layer(line.analysis, line.layer).model_dump_json()


class CsvExport:
    """CSV by RFC 4180, in UTF-8: null is an empty cell, labels and speakers are JSON, no text is altered."""

    media_type: ClassVar[str] = "text/csv; charset=utf-8; header=present"

    def __init__(self, layers: bool) -> None:
        self._columns = columns_of(layers)
        self._begun = False

    def add(self, lines: Sequence[ExportRow]) -> bytes:
        """The next rows, after the header where they are the first."""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        if not self._begun:
            writer.writerow(self._columns)
            self._begun = True
        for line in lines:
            values = line.columns()
            writer.writerow(_CELLS[name](values[name]) if name in _CELLS else values[name] for name in self._columns)
        return text.getvalue().encode()

    def end(self) -> bytes:
        """The header, where there were no rows."""
        return b"" if self._begun else self.add([])


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


_CELLS: dict[str, Callable[[Any], str]] = {
    "created_at": lambda time: time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    "labels": _json,
    "speakers": _json,
    "truncated": _json,
    "cached": _json,
}


class ParquetExport:
    """Parquet in row groups: labels are a map, speakers a list, times in UTC; each metric's field carries its unit."""

    media_type: ClassVar[str] = "application/vnd.apache.parquet"

    def __init__(self, layers: bool) -> None:
        self._columns = columns_of(layers)
        self._waiting: list[Any] = []
        self._rows = self._bytes = 0
        self._sink = _DrainedFile()
        self._writer: Any = None
        self._schema: Any = None

    def add(self, lines: Sequence[ExportRow]) -> bytes:
        """The next row groups, once there are rows enough for one."""
        import pyarrow as pa

        self._begin()
        if lines:
            rows = [line.columns() for line in lines]
            arrays = [self._array(field, [row[field.name] for row in rows]) for field in self._schema]
            self._waiting.append(pa.Table.from_arrays(arrays, schema=self._schema))
            self._rows += len(rows)
            self._bytes += self._waiting[-1].nbytes
        if self._rows >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._write()
        return self._sink.drain()

    def end(self) -> bytes:
        """The last row group, and the description of them all."""
        self._begin()
        self._write()
        self._writer.close()
        return self._sink.drain()

    def _begin(self) -> None:
        from pyarrow import parquet

        if self._writer is None:
            self._schema = _schema(self._columns)
            self._writer = parquet.ParquetWriter(self._sink, self._schema, compression="zstd")

    def _write(self) -> None:
        import pyarrow as pa

        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting), row_group_size=GROUP_ROWS)
            self._waiting.clear()
            self._rows = self._bytes = 0

    @staticmethod
    def _array(field: Any, values: list[Any]) -> Any:
        import pyarrow as pa

        return pa.array([list(value.items()) for value in values] if field.name == "labels" else values, field.type)


def _schema(columns: Sequence[str]) -> Any:
    import pyarrow as pa

    kinds = {
        "created_at": pa.timestamp("us", "UTC"),
        "labels": pa.map_(pa.string(), pa.string()),
        "speakers": pa.list_(pa.string()),
        "truncated": pa.bool_(),
        "cached": pa.bool_(),
        **dict.fromkeys(("tokens", "turns", "windows", "left_out_rows", "layer"), pa.int64()),
        **dict.fromkeys(METRIC_NAMES, pa.float64()),
    }
    units = {metric.name: {"unit": metric.unit} for metric in METRICS}
    return pa.schema([pa.field(name, kinds.get(name, pa.string()), metadata=units.get(name)) for name in columns])


class _DrainedFile(io.RawIOBase):
    """An output file in memory, whose bytes are taken out while it is written."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._length = 0

    def writable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """How many bytes were written, those taken out included."""
        return self._length

    def write(self, data: Any) -> int:
        """Keep the data until `drain`."""
        piece = bytes(data)
        self._pieces.append(piece)
        self._length += len(piece)
        return len(piece)

    def drain(self) -> bytes:
        """The bytes written since the last call."""
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def columns_of(layers: bool) -> tuple[str, ...]:
    """The columns of a file, in order."""
    return (*DESCRIPTIVE_COLUMNS, *(("layer",) if layers else ()), *METRIC_NAMES)


EXPORTS: dict[str, Callable[[bool], Export]] = {
    "parquet": ParquetExport,
    "csv": CsvExport,
    "jsonl": JsonLinesExport,
}
