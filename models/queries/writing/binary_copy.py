"""Bulk writes by COPY in PostgreSQL's binary format, made from whole arrays: no loop runs over rows or numbers.

The functions named after types turn the values of n rows into `Cells`, their bytes on the wire. A block of rows is a
list of `Cells` side by side; blocks of one table may differ in the lengths of their arrays, rows of one block may not.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from psycopg import Connection as Driver
from psycopg import sql
from sqlalchemy import Connection

TEXT, REAL = 25, 700  # the fixed type numbers of text and float4
NULL: Final = -1
"""The length of a field that is null."""
_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """`columns` fields of n rows, each with its length before it: (n, w) bytes, those sent where `kept` is true."""

    columns: int
    wire: NDArray[np.uint8]  # (n, w)
    kept: NDArray[np.bool_] | None = None  # (n, w); None where all are sent

    def __len__(self) -> int:
        return len(self.wire)

    def take(self, rows: NDArray[np.intp]) -> "Cells":
        """The cells of these rows, in this order."""
        return Cells(self.columns, self.wire[rows], None if self.kept is None else self.kept[rows])


def copy_blocks(connection: Connection, table: str, columns: Sequence[str], blocks: Iterable[Sequence[Cells]]) -> None:
    """Append rows to `table`, in the caller's transaction; the cells of a block are those of `columns`, in order.

    Nothing is asked of the database where there are no rows.
    """
    pieces = (piece for piece in map(_rows, blocks) if piece)
    first = next(pieces, None)
    if first is None:
        return
    driver = connection.connection.driver_connection
    assert isinstance(driver, Driver)
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(_HEADER + first)
        for piece in pieces:
            copy.write(piece)
        copy.write(_TRAILER)


def _rows(block: Sequence[Cells]) -> bytes:
    """The rows of a block, each after the number of its fields."""
    count = len(block[0])
    fields = np.empty((count, 1), ">i2")
    fields[:] = sum(cells.columns for cells in block)
    lead = fields.view(np.uint8)
    wire = np.concatenate([lead, *(cells.wire for cells in block)], axis=1)
    if all(cells.kept is None for cells in block):
        return wire.tobytes()
    masks = (np.ones(cells.wire.shape, np.bool_) if cells.kept is None else cells.kept for cells in block)
    sent: NDArray[np.uint8] = wire[np.concatenate([np.ones(lead.shape, np.bool_), *masks], axis=1)]
    return sent.tobytes()


def int2(values: ArrayLike, null: NDArray[np.bool_] | None = None) -> Cells:
    """Whole numbers (n,), or (n, c) for c columns; null where `null` says so."""
    return _numbers(values, ">i2", null)


def int4(values: ArrayLike, null: NDArray[np.bool_] | None = None) -> Cells:
    """As `int2`."""
    return _numbers(values, ">i4", null)


def int8(values: ArrayLike, null: NDArray[np.bool_] | None = None) -> Cells:
    """As `int2`."""
    return _numbers(values, ">i8", null)


def boolean(values: ArrayLike) -> Cells:
    """Truth values (n,), or (n, c) for c columns."""
    return _numbers(values, "u1", None)


def float8(values: ArrayLike) -> Cells:
    """Numbers (n,), or (n, c) for c columns; NaN, which stands for undefined, becomes null."""
    numbers = np.asarray(values, np.float64)
    return _numbers(numbers, ">f8", np.isnan(numbers))


def float4_array(values: NDArray[Any]) -> Cells:
    """One-dimensional `real[]`s of w numbers: (n, w), or (n, c, w) for c columns. NaN stays NaN."""
    arrays = values[:, None] if values.ndim == 2 else values
    rows, columns, width = arrays.shape
    head = [1, 0, REAL, width, 1] if width else [0, 0, REAL]
    element = np.dtype([("length", ">i4"), ("value", ">f4")])
    cells = np.empty((rows, columns), [("length", ">i4"), ("head", ">i4", (len(head),)), ("items", element, (width,))])
    cells["length"] = cells.dtype.itemsize - 4
    cells["head"] = head
    cells["items"]["length"] = 4
    cells["items"]["value"] = arrays
    return _fixed(cells)


def vector(values: NDArray[Any]) -> Cells:
    """pgvector's `vector` of d numbers: (n, d)."""
    rows, width = values.shape
    cells = np.empty((rows, 1), [("length", ">i4"), ("size", ">u2"), ("unused", ">u2"), ("items", ">f4", (width,))])
    cells["length"] = cells.dtype.itemsize - 4
    cells["size"], cells["unused"] = width, 0
    cells["items"][:, 0] = values
    return _fixed(cells)


def text(values: Sequence[str]) -> Cells:
    """Texts (n,)."""
    return bytea([value.encode() for value in values])


def jsonb(values: Sequence[str]) -> Cells:
    """Documents of JSON, as text (n,)."""
    return bytea([b"\1" + value.encode() for value in values])


def text_array(values: Sequence[Sequence[str]]) -> Cells:
    """One-dimensional `text[]`s of any lengths (n,)."""
    return bytea([_text_array(texts) for texts in values])


def nulls(rows: int) -> Cells:
    """A column that is null in every row."""
    return Cells(1, np.broadcast_to(np.array([NULL], ">i4").view(np.uint8), (rows, 4)))


def bytea(values: Sequence[bytes]) -> Cells:
    """Bytes of any lengths (n,)."""
    lengths = np.fromiter(map(len, values), np.int64, len(values))
    width = int(lengths.max(initial=0))
    wire = np.empty((len(values), 4 + width), np.uint8)
    wire[:, :4] = lengths.astype(">i4").view(np.uint8).reshape(-1, 4)
    wire[:, 4:] = np.frombuffer(b"".join(value.ljust(width, b"\0") for value in values), np.uint8).reshape(-1, width)
    if (lengths == width).all():
        return Cells(1, wire)
    return Cells(1, wire, np.arange(-4, width) < lengths[:, None])


def _text_array(texts: Sequence[str]) -> bytes:
    head = [1, 0, TEXT, len(texts), 1] if texts else [0, 0, TEXT]
    parts = [np.array(head, ">i4").tobytes()]
    for each in texts:
        encoded = each.encode()
        parts += [len(encoded).to_bytes(4, "big"), encoded]
    return b"".join(parts)


def _numbers(values: ArrayLike, kind: str, null: NDArray[np.bool_] | None) -> Cells:
    numbers = np.asarray(values)
    numbers = numbers[:, None] if numbers.ndim == 1 else numbers
    cells = np.empty(numbers.shape, [("length", ">i4"), ("value", kind)])
    cells["length"] = cells.dtype["value"].itemsize
    cells["value"] = numbers
    if null is None or not null.any():
        return _fixed(cells)
    absent = null.reshape(numbers.shape)
    cells["length"][absent] = NULL
    kept = np.ones((*numbers.shape, cells.dtype.itemsize), np.bool_)
    kept[absent, 4:] = False
    return Cells(numbers.shape[1], _fixed(cells).wire, kept.reshape(len(numbers), -1))


def _fixed(cells: NDArray[Any]) -> Cells:
    """Records (n, c) as the bytes of c columns."""
    rows, columns = cells.shape
    return Cells(columns, cells.view(np.uint8).reshape(rows, columns * cells.dtype.itemsize))


def in_pieces(rows: int, row_bytes: int) -> Iterator[slice]:
    """Slices of so many rows, each of about eight megabytes or of one row."""
    step = max(1, (8 << 20) // max(1, row_bytes))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))
