"""Where a new document stands among the points of a stored map."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, select, text

from models.queries.search.stored_vectors import cosine_distance, point_parameters
from models.tables import analysis, comparison, document

_POINTS = """
    FROM comparison,
         jsonb_array_elements(comparison.result->'maps') AS map(drawn),
         ROWS FROM (
             jsonb_to_recordset(map.drawn->'points') AS (analysis_id text, "group" text, x float8, y float8)
         ) WITH ORDINALITY AS point(analysis_id, "group", x, y, place)
"""
_DRAWN = """
    WHERE comparison.id = :comparison_id AND map.drawn->>'space' = 'embedding' AND map.drawn->>'layer' IS NULL
"""
_POSITIONS = (
    "SELECT array_agg(point.x ORDER BY point.place), array_agg(point.y ORDER BY point.place)" + _POINTS + _DRAWN
)
_NEAREST = (
    'WITH apart AS MATERIALIZED (SELECT point.analysis_id, point."group", point.x, point.y, point.place - 1 AS row,'
    " {distance} AS distance"
    + _POINTS
    + """
    JOIN analysis ON analysis.id = point.analysis_id
    JOIN embedding ON embedding.measurement_id = analysis.measurement_id
"""
    + _DRAWN
    + " AND embedding.version_key = :version_key) "
    "SELECT *, 1 - distance AS similarity FROM apart ORDER BY distance, row LIMIT :k"
)
"""Every point's distance is found before they are ordered: an index of vectors would pass over some."""


def embedding_map(connection: Connection, tenant_id: str, comparison_id: str) -> Row[Any] | None:
    """Of the tenant's comparison with a result: `request`, its `models`, and the embedding map without its points."""
    drawn = text(
        "(SELECT map.drawn - 'points' FROM jsonb_array_elements(comparison.result->'maps') AS map(drawn) "
        "WHERE map.drawn->>'space' = 'embedding' AND map.drawn->>'layer' IS NULL) AS drawn"
    )
    models = text(
        "(SELECT jsonb_agg(DISTINCT member->>'model') FROM jsonb_array_elements(comparison.result->'groups') "
        "AS named(member)) AS models"
    )
    columns: tuple[Any, ...] = (comparison.c.request, models, drawn)
    query: Select[Any] = select(*columns).where(
        comparison.c.tenant_id == tenant_id, comparison.c.id == comparison_id, comparison.c.result.is_not(None)
    )
    return connection.execute(query).one_or_none()


def positions_of_points(connection: Connection, comparison_id: str) -> tuple[list[float], list[float]]:
    """x and y of the points of the embedding map, in its own order; none where there is no map."""
    x, y = connection.execute(text(_POSITIONS), {"comparison_id": comparison_id}).one()
    return x or [], y or []


def nearest_points(
    connection: Connection, comparison_id: str, version_key: int, vector: Sequence[float], k: int
) -> Sequence[Row[Any]]:
    """The k points of the embedding map nearest by cosine, nearest first: analysis_id, group, x, y, row, similarity.

    `row` counts the map's points from 0, in its own order.
    """
    statement = text(_NEAREST.format(distance=cosine_distance("embedding", "embedding", len(vector))))
    given = {"comparison_id": comparison_id, "version_key": version_key, "k": k}
    return connection.execute(statement, {**given, **point_parameters(vector)}).all()


def content_of_analysis(connection: Connection, tenant_id: str, analysis_id: str) -> dict[str, Any] | None:
    """The document that the tenant's analysis measured."""
    query = (
        select(document.c.content)
        .join_from(analysis, document)
        .where(analysis.c.tenant_id == tenant_id, analysis.c.id == analysis_id)
    )
    return connection.execute(query).scalar_one_or_none()
