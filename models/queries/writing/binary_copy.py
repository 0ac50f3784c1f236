"""Bulk writes by COPY in PostgreSQL's binary format, with arrays of numbers written straight from memory."""

import struct
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection as Driver
from psycopg import sql
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.types import TypeInfo
from sqlalchemy import Connection

REAL, REAL_ARRAY = 700, 1021  # the fixed type numbers of float4 and float4[]
_ELEMENT = np.dtype([("length", ">i4"), ("value", ">f4")])


class _RealArrayDumper(Dumper):
    """Any array as a one-dimensional `real[]`, row by row."""

    format = Format.BINARY
    oid = REAL_ARRAY

    def dump(self, obj: NDArray[np.float32]) -> bytes:
        elements = np.empty(obj.size, _ELEMENT)
        elements["length"] = 4
        elements["value"] = obj.ravel()
        if not obj.size:
            return struct.pack(">iiI", 0, 0, REAL)
        return struct.pack(">iiIii", 1, 0, REAL, obj.size, 1) + elements.tobytes()


class _VectorDumper(Dumper):
    """A one-dimensional array as pgvector's `vector`: its length, two empty bytes, then the numbers."""

    format = Format.BINARY

    def dump(self, obj: NDArray[np.float32]) -> bytes:
        return struct.pack(">HH", obj.size, 0) + np.asarray(obj, ">f4").tobytes()


def copy_rows(connection: Connection, table: str, columns: Mapping[str, str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Append rows to `table`, in the caller's transaction. `columns` names each column's PostgreSQL type.

    Arrays go as they are to columns of type `float4[]` and `vector`.
    """
    driver = connection.connection.driver_connection
    assert isinstance(driver, Driver)
    with driver.cursor() as cursor:
        cursor.adapters.register_dumper(np.ndarray, _RealArrayDumper)
        if "vector" in columns.values():
            _register_vector(driver, cursor.adapters)
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
            sql.Identifier(table), sql.SQL(", ").join(sql.Identifier(name) for name in columns)
        )
        with cursor.copy(statement) as copy:
            copy.set_types(list(columns.values()))
            for row in rows:
                copy.write_row(row)


def _register_vector(driver: Driver[Any], adapters: Any) -> None:
    kind = TypeInfo.fetch(driver, "vector")
    if kind is None:
        raise RuntimeError("the database has no type `vector`; run the migrations, which create the extension")
    adapters.types.add(kind)
    adapters.register_dumper(np.ndarray, type("_Vector", (_VectorDumper,), {"oid": kind.oid}))
