"""Stored vectors in SQL, in either of their two forms (see `models.wide_vectors`): as text, and how far from a point.

Arrays are compared by slices that pgvector's types hold, since their inner products add up to the whole one's and so do
the squares of their lengths. A row's slices are cut once, because each cut reads the whole array: `OFFSET 0` keeps
PostgreSQL from writing the subquery out wherever a slice is named. That makes it more than twice as fast
(`docs/decisions.md` has the times).
"""

import math
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, String, Table, cast, func

from models.queries.search.vectors import Space
from models.wide_vectors import WIDEST


def cosine_distance(row: str, column: Space, dimension: int) -> str:
    """SQL for the distance of a row's vector from the point of `point_parameters`; NaN where one has no direction.

    `row` is what the statement calls the table, `column` has its vectors.
    """
    if dimension <= WIDEST:
        return f"{row}.{column}::vector({dimension}) <=> CAST(:vector AS vector({dimension}))"
    slices = list(enumerate(_bounds(dimension)))
    cut = ", ".join(f"({row}.wide[{start + 1}:{end}])::vector AS part_{number}" for number, (start, end) in slices)
    negative_product = " + ".join(f"(part_{number} <#> CAST(:vector_{number} AS vector))" for number, _ in slices)
    square = " + ".join(f"vector_norm(part_{number}) ^ 2" for number, _ in slices)
    lengths = f"coalesce(nullif(sqrt({square}) * CAST(:length AS float8), 0), 'NaN')"
    return f"(SELECT 1 + ({negative_product}) / {lengths} FROM (SELECT {cut} OFFSET 0) AS cut)"


def point_parameters(vector: Sequence[float]) -> dict[str, Any]:
    """What `cosine_distance` names of a point, which may have any length."""
    if len(vector) <= WIDEST:
        return {"vector": _written(vector)}
    slices = enumerate(_bounds(len(vector)))
    parts = {f"vector_{number}": _written(vector[start:end]) for number, (start, end) in slices}
    return {"length": math.hypot(*vector), **parts}


def embedding_text(table: Table) -> ColumnElement[str]:
    """A row's embedding as PostgreSQL writes it."""
    return func.coalesce(cast(table.c.embedding, String), cast(table.c.wide, String))


def read_vector(text: str) -> list[float]:
    """The numbers of a vector or an array as PostgreSQL writes them."""
    return [float(value) for value in text.strip("[]{}").split(",")]


def _bounds(dimension: int) -> list[tuple[int, int]]:
    """Where the slices of a wide vector begin and end, from 0."""
    return [(start, min(dimension, start + WIDEST)) for start in range(0, dimension, WIDEST)]


def _written(vector: Sequence[float]) -> str:
    return "[" + ",".join(map(repr, vector)) + "]"
