"""A program of its own: a Parquet file on a descriptor, its rows on stdout as lines of JSON. Run by `parquet`.

It is started without our environment and modules, and limits its own memory and time before it opens the file. First
comes a line with each column's name and a value of its shape; on stdin comes what documents are made of, or null for
everything; then a line with the names of the columns that are read, and a line a row with its cells. Exit status 3
means that the file is at fault; stderr then says how, in words for whoever sent it.
"""

import json
import math
import os
import resource
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
from pyarrow import parquet, types

AT_FAULT = 3
BATCH_BYTES = 4 << 20
MOST_ROWS = 256
BUFFER_BYTES = 1 << 20
MEMBERS = {"turns": ("speaker", "text"), "messages": ("role", "content")}
MORE_MEMBERS = {"turns": ("start", "end"), "messages": ("name", "tool_calls", "tool_call_id")}
"""Read where they are there and can be JSON; of other members only the names are told."""
EMPTY: tuple[object, ...] = (None, [], {})


class FaultyFileError(Exception):
    """The file cannot be taken, and why."""


def main(descriptor: int, memory_bytes: int, processor_seconds: int) -> None:
    """Write the rows of the file. Raises `FaultyFileError`, and what pyarrow raises."""
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (processor_seconds, processor_seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    # Page by page: a row group is as large as whoever wrote it pleased, often all of the file.
    file = parquet.ParquetFile(os.fdopen(descriptor, "rb"), buffer_size=BUFFER_BYTES, pre_buffer=False)
    schema = file.schema_arrow
    _write([[field.name, _shape(field.type)] for field in schema])
    sys.stdout.buffer.flush()
    asked = sys.stdin.readline()
    if not asked:
        return  # whoever asks has seen enough of the columns
    wanted = json.loads(asked)
    columns = list(_columns(schema, wanted))
    _write([column.name for column in columns])
    written = 0
    for cells in _rows(file, columns):
        _write(cells)
        written += 1
    if written != file.metadata.num_rows:
        raise FaultyFileError(f"it says that it has {file.metadata.num_rows} rows, and {written} can be read")


class Column:
    """One column that is read: its first leaf among those of the file, and how its cells become JSON."""

    def __init__(self, field: pa.Field, leaf: int, wanted: Mapping[str, Any] | None) -> None:
        self.name: str = field.name
        self.strict = wanted is not None
        self.members: tuple[str, ...] | None = None
        self.unread: dict[str, None] = {}
        if wanted is not None and self.name in MEMBERS and _is_list(field.type):
            item = field.type.value_type
            known = (*MEMBERS[self.name], *(name for name in MORE_MEMBERS[self.name] if _can_be_json(item, name)))
            self.members = tuple(member.name for member in item if member.name in known)
            self.unread = {member.name: None for member in item if member.name not in known}
        self.leaves = list(self._chosen(field.type, leaf))

    def _chosen(self, kind: pa.DataType, leaf: int) -> Iterator[int]:
        """The leaves of all, or of the members that are read."""
        if self.members is None:
            yield from range(leaf, leaf + _count_leaves(kind))
            return
        for member in kind.value_type:
            count = _count_leaves(member.type)
            if member.name in self.members:
                yield from range(leaf, leaf + count)
            leaf += count

    def cell(self, value: Any, row: int) -> Any:
        """A value as pyarrow gives it, as JSON."""
        if isinstance(value, list):
            if self.members is not None:
                return [item if item is None else self._turn(item) for item in value]
            if value and isinstance(value[0], tuple):
                return self._of_pairs(value, row)
        elif isinstance(value, dict) and self.strict:
            return {key: item for key, item in value.items() if item is not None}
        return _plain(value)

    def _turn(self, item: Mapping[str, Any]) -> dict[str, Any]:
        needed = MEMBERS[self.name]
        said = {name: _plain(value) for name, value in item.items() if name in needed or value not in EMPTY}
        return said | self.unread

    def _of_pairs(self, pairs: Sequence[tuple[Any, Any]], row: int) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise FaultyFileError(f"a key stands twice in `{self.name[:60]}` of row {row}")
        return {str(key): _plain(value) for key, value in pairs if value is not None}


def _columns(schema: pa.Schema, wanted: Mapping[str, Any] | None) -> Iterator[Column]:
    leaf = 0
    for field in schema:
        if wanted is None:
            read = _is_json(field.type)
        else:
            label = field.name.startswith(wanted["label"]) and field.name != wanted["label"]
            read = label or field.name in wanted["texts"] or field.name in wanted["nested"]
            if read:
                _refuse_wrong_type(field, wanted)
        if read:
            yield Column(field, leaf, wanted)
        leaf += _count_leaves(field.type)


def _refuse_wrong_type(field: pa.Field, wanted: Mapping[str, Any]) -> None:
    kind = field.type
    if _is_text(kind) or types.is_null(kind):
        return
    expected = "text"
    if field.name in MEMBERS:
        members = MEMBERS[field.name]
        expected = f"a list of structs of text ({', '.join(members)}), or text that is JSON"
        if _is_list(kind) and types.is_struct(kind.value_type) and _has_texts(kind.value_type, members):
            return
    elif field.name in wanted["nested"]:
        expected = "a map or a struct of text, or text that is JSON"
        if types.is_map(kind) and _is_text(kind.key_type) and _is_text(kind.item_type):
            return
        if types.is_struct(kind) and all(_is_text(member.type) or types.is_null(member.type) for member in kind):
            return
    raise FaultyFileError(f"the column `{field.name[:60]}` is of the type {str(kind)[:200]}; it has to be {expected}")


def _is_text(kind: pa.DataType) -> bool:
    if types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _has_texts(kind: pa.DataType, members: Sequence[str]) -> bool:
    """Whether the first is text, and the second text, nothing at all, or what a message's content may be besides."""
    first, second = (kind.get_field_index(name) for name in members)
    if first < 0 or second < 0 or not _is_text(kind.field(first).type):
        return False
    said = kind.field(second).type
    return _is_text(said) or (members[1] == "content" and (types.is_null(said) or (_is_list(said) and _is_json(said))))


def _can_be_json(kind: pa.DataType, member: str) -> bool:
    place = kind.get_field_index(member)
    return place >= 0 and _is_json(kind.field(place).type)


def _is_json(kind: pa.DataType) -> bool:
    """Whether values of a type can be JSON: texts, numbers, truth values, times as text, and what is made of them."""
    if types.is_dictionary(kind):
        return _is_json(kind.value_type)
    if _is_list(kind):
        return _is_json(kind.value_type)
    if types.is_struct(kind):
        return all(_is_json(member.type) for member in kind)
    if types.is_map(kind):
        return _is_text(kind.key_type) and _is_json(kind.item_type)
    simple = (types.is_null, types.is_boolean, types.is_integer, types.is_floating, types.is_decimal)
    moments = (types.is_timestamp, types.is_date, types.is_time)
    return _is_text(kind) or any(is_kind(kind) for is_kind in (*simple, *moments))


def _shape(kind: pa.DataType, depth: int = 3) -> Any:
    """A value of a type's shape: of a list of structs an item with the members' names."""
    if types.is_dictionary(kind):
        return _shape(kind.value_type, depth)
    if _is_list(kind):
        return [_shape(kind.value_type, depth - 1)] if depth else []
    if types.is_struct(kind):
        return {member.name: _shape(member.type, depth - 1) for member in kind} if depth else {}
    if types.is_map(kind):
        return {}
    if types.is_boolean(kind):
        return True
    if types.is_integer(kind) or types.is_floating(kind):
        return 1
    return None if types.is_null(kind) else "a"


def _count_leaves(kind: pa.DataType) -> int:
    """How many columns of the file's own a type has; they stand in the order of its members."""
    if _is_list(kind):
        return _count_leaves(kind.value_type)
    if types.is_struct(kind):
        return sum(_count_leaves(member.type) for member in kind)
    if types.is_map(kind):
        return _count_leaves(kind.key_type) + _count_leaves(kind.item_type)
    return 1


def _rows(file: parquet.ParquetFile, columns: Sequence[Column]) -> Iterator[list[Any]]:
    """Every row's cells, in the order of the columns."""
    chosen = sorted(leaf for column in columns for leaf in column.leaves)
    leaves = [file.schema.column(leaf).path for leaf in chosen]
    read = 0
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        each = max(1, group.total_byte_size // max(1, group.num_rows))
        size = max(1, min(MOST_ROWS, BATCH_BYTES // each))
        for batch in file.iter_batches(size, row_groups=[number], columns=leaves, use_threads=False):
            cells = [_cells(batch, column, read) for column in columns]
            yield from (list(row) for row in zip(*cells, strict=True))
            read += batch.num_rows


def _cells(batch: pa.RecordBatch, column: Column, before: int) -> list[Any]:
    place = batch.schema.get_field_index(column.name)
    if place < 0:
        return [None] * batch.num_rows
    array = batch.column(place)
    if types.is_timestamp(array.type) and array.type.unit == "ns":
        array = array.cast(pa.timestamp("us", array.type.tz), safe=False)
    try:
        values = array.to_pylist()
    except UnicodeDecodeError:
        row = next(row for row in range(batch.num_rows) if not _is_utf8(array[row]))
        raise FaultyFileError(f"`{column.name[:60]}` of row {before + row + 1} is not UTF-8") from None
    if not types.is_nested(array.type) and _is_text(array.type):
        return list(values)
    return [column.cell(value, before + row + 1) for row, value in enumerate(values)]


def _plain(value: Any) -> Any:
    """Times as text that sorts by them, and what JSON has no number for as null. A type is never nested deeply."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        if value and isinstance(value[0], tuple):
            return {str(key): _plain(item) for key, item in value}
        return [_plain(item) for item in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else None


def _is_utf8(scalar: pa.Scalar) -> bool:
    try:
        scalar.as_py()
    except UnicodeDecodeError:
        return False
    return True


def _write(value: Any) -> None:
    sys.stdout.buffer.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


def _say(fault: str) -> None:
    """Cut to one line: some messages of pyarrow go on for pages."""
    line = "".join(character if character.isprintable() else "?" for character in " ".join(fault.split()))[:400]
    print(f"The Parquet file cannot be taken: {line.rstrip('.')}.", file=sys.stderr)


if __name__ == "__main__":
    try:
        main(*map(int, sys.argv[1:4]))
        sys.stdout.buffer.flush()
    except MemoryError:
        _say(f"unpacking takes more than {int(sys.argv[2]) >> 20} MiB of memory; write smaller pages and row groups")
        sys.exit(AT_FAULT)
    except BrokenPipeError:  # whoever started us has heard enough
        sys.exit(1)
    except Exception as error:  # whatever a hostile file brings about is the file's fault, and is told as that
        _say(str(error) or type(error).__name__)
        sys.exit(AT_FAULT)
