"""A program of its own: a Parquet file on stdin, its rows on stdout as lines of JSON. Run by `parquet`.

It is started without our environment and modules, and limits its own memory and time before it opens the file. First
comes a line with the names of the columns that are read and of those that are not, then a line a row with its cells.
Exit status 3 means that the file is at fault; stderr then says how, in words for whoever sent it.
"""

import json
import resource
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyarrow import parquet, types

AT_FAULT = 3
BATCH_BYTES = 4 << 20
MOST_ROWS = 256
BUFFER_BYTES = 1 << 20
MEMBERS = {"turns": ("speaker", "text"), "messages": ("role", "content")}


class FaultyFileError(Exception):
    """The file cannot be taken, and why."""


def main(memory_bytes: int, processor_seconds: int, wanted: Mapping[str, Any]) -> None:
    """Write the rows of the file on stdin. Raises `FaultyFileError`, and what pyarrow raises."""
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (processor_seconds, processor_seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    # Page by page: a row group is as large as whoever wrote it pleased, often all of the file.
    file = parquet.ParquetFile(sys.stdin.buffer, buffer_size=BUFFER_BYTES, pre_buffer=False)
    schema = file.schema_arrow
    names = [field.name for field in schema if _is_wanted(field.name, wanted)]
    for field in schema:
        if field.name in names:
            _refuse_wrong_type(field, wanted)
    _write([names, [field.name for field in schema if field.name not in names]])
    if not set(names) & set(wanted["inputs"]):
        return  # the first line says so already
    written = 0
    for cells in _rows(file, names):
        _write(cells)
        written += 1
    if written != file.metadata.num_rows:
        raise FaultyFileError(f"it says that it has {file.metadata.num_rows} rows, and {written} can be read")


def _is_wanted(name: str, wanted: Mapping[str, Any]) -> bool:
    label = name.startswith(wanted["label"]) and name != wanted["label"]
    return label or name in wanted["texts"] or name in wanted["nested"]


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
    return all(kind.get_field_index(name) >= 0 and _is_text(kind.field(name).type) for name in members)


def _rows(file: parquet.ParquetFile, names: Sequence[str]) -> Iterator[list[Any]]:
    """Every row's cells, in the order of the names."""
    unread = {
        field.name: dict.fromkeys(member.name for member in field.type.value_type if member.name not in members)
        for field in file.schema_arrow
        if (members := MEMBERS.get(field.name)) and _is_list(field.type)
    }
    leaves = [path for path in _leaves(file) if _is_read(path, names)]
    read = 0
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        each = max(1, group.total_byte_size // max(1, group.num_rows))
        size = max(1, min(MOST_ROWS, BATCH_BYTES // each))
        for batch in file.iter_batches(size, row_groups=[number], columns=leaves, use_threads=False):
            columns = [_cells(batch, name, unread.get(name, {}), read) for name in names]
            yield from (list(cells) for cells in zip(*columns, strict=True))
            read += batch.num_rows


def _leaves(file: parquet.ParquetFile) -> list[str]:
    return [file.schema.column(place).path for place in range(len(file.schema))]


def _is_read(path: str, names: Sequence[str]) -> bool:
    """Whether a leaf column belongs to what is read: of turns only who speaks and what is said."""
    for name in names:
        if path == name:
            return True
        if path.startswith(name + "."):
            return name not in MEMBERS or path.rpartition(".")[2] in MEMBERS[name]
    return False


def _cells(batch: pa.RecordBatch, name: str, unread: Mapping[str, None], before: int) -> list[Any]:
    """The cells of one column. `unread` are members of turns that are named without their values."""
    place = batch.schema.get_field_index(name)
    if place < 0:
        return [None] * batch.num_rows
    column = batch.column(place)
    try:
        cells = column.to_pylist()
    except UnicodeDecodeError:
        row = next(row for row in range(batch.num_rows) if not _is_utf8(column[row]))
        raise FaultyFileError(f"`{name[:60]}` of row {before + row + 1} is not UTF-8") from None
    if types.is_map(column.type):
        return [None if cell is None else _labels(cell, before + row + 1) for row, cell in enumerate(cells)]
    if types.is_struct(column.type):
        return [cell and {key: value for key, value in cell.items() if value is not None} for cell in cells]
    if unread:
        return [cell and [turn and turn | unread for turn in cell] for cell in cells]
    return list(cells)


def _labels(pairs: Sequence[tuple[str, str | None]], row: int) -> dict[str, str]:
    labels = {key: value for key, value in pairs if value is not None}
    if len({key for key, _ in pairs}) < len(pairs):
        raise FaultyFileError(f"a key stands twice in `labels` of row {row}")
    return labels


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
        main(int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3]))
        sys.stdout.buffer.flush()
    except MemoryError:
        _say(f"unpacking takes more than {int(sys.argv[1]) >> 20} MiB of memory; write smaller pages and row groups")
        sys.exit(AT_FAULT)
    except BrokenPipeError:  # whoever started us has heard enough
        sys.exit(1)
    except Exception as error:  # whatever a hostile file brings about is the file's fault, and is told as that
        _say(str(error) or type(error).__name__)
        sys.exit(AT_FAULT)
