"""Reading layers, first windows and vectors of many measurements at once, by binary COPY straight into arrays.

Heads are read one metric at a time and layers' embeddings one layer at a time, when they are asked for: all metrics of
10,000 documents of a model with 32 layers of 32 heads would be 800 MB, and their embeddings gigabytes.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection as Driver
from psycopg import sql
from sqlalchemy import ColumnElement, Connection, Engine, Table, func, select

from models.session_limits import allow_long_reading
from models.tables import embedding, layer_embedding, measurement_first_window, measurement_layer
from models.wide_vectors import WIDEST, embedding_column

BATCH: Final = 1_000
"""Measurements read by one statement."""
KEPT: Final = 5
"""Metrics whose heads stay in memory: an attention profile has four."""
_HEADER: Final = 19  # bytes before the first row
_TRAILER: Final = 2  # bytes after the last one

_Fields = list[tuple[Any, ...]]
_ID: Final[_Fields] = [("fields", ">i2"), ("id length", ">i4"), ("measurement_id", ">i8")]
_VECTOR: Final[_Fields] = [*_ID, ("length", ">i4"), ("size", ">i4")]
"""What comes before a vector's numbers in a row of a measurement's id and a vector."""


def read_layers(connection: Connection, ids: Sequence[int], names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Metric -> (n, L), a row for each of `ids` in their order, NaN where undefined; an id may come more than once."""
    return _by_layer(connection, measurement_layer, ids, names)[0]


def read_first_windows(
    connection: Connection, ids: Sequence[int], names: Sequence[str]
) -> dict[str, NDArray[np.float64]] | None:
    """The same of the documents' first windows, NaN where a document has none; None where all have none."""
    values, rows = _by_layer(connection, measurement_first_window, ids, names)
    return values if rows else None


def _by_layer(
    connection: Connection, table: Table, ids: Sequence[int], names: Sequence[str]
) -> tuple[dict[str, NDArray[np.float64]], int]:
    """The values of a table with a row for each measurement and layer, and how many rows there were."""
    depth, _ = _shape(connection, ids, names)
    distinct, place = np.unique(np.asarray(ids, np.int64), return_inverse=True)
    values = {name: np.full((len(distinct), depth), np.nan) for name in names}
    fields: _Fields = []
    for name in names:
        fields += [(f"{name} length", ">i4"), (name, ">f8")]
    columns = [sql.SQL("coalesce({}, 'NaN')").format(sql.Identifier(name)) for name in names]
    count = 0
    for start in range(0, len(distinct), BATCH):
        rows = _copied(connection, table, distinct[start : start + BATCH], columns, fields)
        at = np.searchsorted(distinct, rows["measurement_id"]), rows["layer"]
        for name in names:
            values[name][at] = rows[name]
        count += len(rows)
    return {name: values[name][place] for name in names}, count


class StoredHeads(Mapping[str, NDArray[np.float32]]):
    """Metric -> (n, L, H) of these measurements, in their order, read when it is asked for, in any thread."""

    def __init__(self, engine: Engine, ids: Sequence[int], names: Sequence[str]) -> None:
        self._engine = engine
        self._distinct, self._place = np.unique(np.asarray(ids, np.int64), return_inverse=True)
        self._names = list(names)
        self._kept: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._reading = Lock()

    def __getitem__(self, metric: str) -> NDArray[np.float32]:
        if metric not in self._names:
            raise KeyError(metric)
        with self._reading:
            if metric not in self._kept:
                with self._engine.connect() as connection:
                    allow_long_reading(connection)
                    self._kept[metric] = read_heads(connection, self._distinct.tolist(), metric)[self._place]
                if len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(metric)
            return self._kept[metric]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def read_heads(connection: Connection, ids: Sequence[int], metric: str) -> NDArray[np.float32]:
    """(n, L, H), a row for each of `ids`, which ascend and are different; NaN where undefined."""
    depth, heads = _shape(connection, ids, [metric])
    found = np.full((len(ids), depth, heads), np.nan, np.float32)
    element = np.dtype([("length", ">i4"), ("value", ">f4")])
    fields: _Fields = [("length", ">i4"), ("about", ">i4", (5,)), ("elements", element, (heads,))]
    columns = [sql.Identifier(f"{metric}_heads")]
    distinct = np.asarray(ids, np.int64)
    for start in range(0, len(ids), BATCH):
        rows = _copied(connection, measurement_layer, distinct[start : start + BATCH], columns, fields)
        at = np.searchsorted(distinct, rows["measurement_id"]), rows["layer"]
        found[at] = rows["elements"]["value"]
    return found


def _shape(connection: Connection, ids: Sequence[int], names: Sequence[str]) -> tuple[int, int]:
    """Layers and heads of the first measurement; all of one group are of one model."""
    if not ids or not names:
        return 0, 0
    heads = func.array_length(measurement_layer.c[f"{names[0]}_heads"], 1)
    counted = select(func.count(), func.max(heads)).where(measurement_layer.c.measurement_id == ids[0])
    depth, width = connection.execute(counted).one()
    return int(depth), int(width or 0)


def read_embeddings(connection: Connection, ids: Sequence[int]) -> NDArray[np.float32] | None:
    """The documents' vectors (n, d), a row for each of `ids`; NaN where one has none, None where all have none."""
    distinct, place = np.unique(np.asarray(ids, np.int64), return_inverse=True)
    size = connection.execute(
        select(_size_of(embedding)).where(embedding.c.measurement_id.in_(distinct.tolist())).limit(1)
    ).scalar_one_or_none()
    if size is None:
        return None
    found = np.full((len(distinct), size), np.nan, np.float32)
    chosen = sql.SQL("SELECT measurement_id, {} FROM embedding WHERE measurement_id = ANY({})")
    for start in range(0, len(distinct), BATCH):
        some = sql.Literal(distinct[start : start + BATCH].tolist())
        at, vectors = _vectors(connection, chosen.format(_column(size), some), size)
        found[np.searchsorted(distinct, at)] = vectors
    return found[place]


class StoredLayerEmbeddings:
    """Embeddings of these measurements at each of their layers, in their order, read when they are asked for."""

    def __init__(self, engine: Engine, ids: Sequence[int], shape: tuple[int, int]) -> None:
        self._engine = engine
        self._ids = np.asarray(ids, np.int64)
        self._depth, self._size = shape

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n, L, d)"""
        return len(self._ids), self._depth, self._size

    def at(self, layer: int, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Those of these documents at one layer: (rows, d); NaN where a document has none."""
        distinct, place = np.unique(self._ids[rows], return_inverse=True)
        found = np.full((len(distinct), self._size), np.nan, np.float32)
        chosen = sql.SQL("SELECT measurement_id, {} FROM layer_embedding WHERE layer = {} AND measurement_id = ANY({})")
        with self._engine.connect() as connection:
            allow_long_reading(connection)
            for start in range(0, len(distinct), BATCH):
                some = sql.Literal(distinct[start : start + BATCH].tolist())
                statement = chosen.format(_column(self._size), sql.Literal(layer), some)
                at, vectors = _vectors(connection, statement, self._size)
                found[np.searchsorted(distinct, at)] = vectors
        return found[place]


def find_layer_embeddings(connection: Connection, ids: Sequence[int]) -> StoredLayerEmbeddings | None:
    """The embeddings by layer of these measurements; None where one has none, or there is none."""
    if not ids:
        return None
    distinct = sorted(set(ids))
    stored = layer_embedding.c
    first = select(func.count(), func.max(_size_of(layer_embedding))).where(stored.measurement_id == ids[0])
    depth, size = connection.execute(first).one()
    counted = select(func.count()).where(stored.measurement_id.in_(distinct), stored.layer == 0)
    if not depth or connection.execute(counted).scalar_one() < len(distinct):
        return None
    return StoredLayerEmbeddings(connection.engine, ids, (depth, size or 0))


def _size_of(table: Table) -> ColumnElement[int]:
    return func.coalesce(func.vector_dims(table.c.embedding), func.array_length(table.c.wide, 1))


def _column(size: int) -> sql.Identifier:
    return sql.Identifier(embedding_column(size))


def _vectors(connection: Connection, chosen: sql.Composed, size: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Measurements' ids (n,) and their vectors (n, d), as a query gives them."""
    if size <= WIDEST:
        rows = _binary(connection, chosen, np.dtype([*_VECTOR, ("vector", ">f4", (size,))]))
        return rows["measurement_id"], rows["vector"]
    element = np.dtype([("length", ">i4"), ("value", ">f4")])
    fields: _Fields = [*_ID, ("length", ">i4"), ("about", ">i4", (5,)), ("elements", element, (size,))]
    rows = _binary(connection, chosen, np.dtype(fields))
    return rows["measurement_id"], rows["elements"]["value"]


def _copied(
    connection: Connection, table: Table, ids: NDArray[np.int64], columns: Sequence[sql.Composable], fields: _Fields
) -> NDArray[Any]:
    """Rows of `measurement_id`, `layer` and the columns."""
    place: _Fields = [("id length", ">i4"), ("measurement_id", ">i8"), ("layer length", ">i4"), ("layer", ">i2")]
    chosen = sql.SQL("SELECT measurement_id, layer, {} FROM {} WHERE measurement_id = ANY({})").format(
        sql.SQL(", ").join(columns), sql.Identifier(table.name), sql.Literal(ids.tolist())
    )
    return _binary(connection, chosen, np.dtype([("fields", ">i2"), *place, *fields]))


def _binary(connection: Connection, chosen: sql.Composed, kind: np.dtype[Any]) -> NDArray[Any]:
    """The rows of a query, which must all have the size of `kind`.

    Raises ValueError where they have not: measurements of models of different shapes in one group.
    """
    driver = connection.connection.driver_connection
    assert isinstance(driver, Driver)
    statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT BINARY)").format(chosen)
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        body = b"".join(bytes(block) for block in copy)[_HEADER:-_TRAILER]
    if len(body) % kind.itemsize:
        raise ValueError("the measurements of one group were made by models of different shapes")
    return np.frombuffer(body, kind)
