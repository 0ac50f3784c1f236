"""Comparisons as clients see them, and the files made from their results."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, select, text, tuple_

from attention.comparison.json_form import from_json
from attention.comparison.study import Study
from models.queries.reading.jobs import Position
from models.tables import comparison, comparison_file, job

MOST_POINTS = 2_000
"""Up to so many points of a map, and so many heads times metrics, stand in the comparison itself."""

_RESULT = f"""
    CASE WHEN comparison.result IS NULL THEN NULL ELSE
        (CASE WHEN (
            SELECT coalesce(sum(jsonb_array_length(tests->'p') * jsonb_array_length(tests->'p'->0)), 0)
            FROM jsonb_each(CASE jsonb_typeof(comparison.result->'heads') WHEN 'object'
                            THEN comparison.result->'heads' ELSE '{{}}' END) AS named(metric, tests)
         ) > {MOST_POINTS} THEN comparison.result - 'heads' ELSE comparison.result END)
        || jsonb_build_object('maps', (
            SELECT coalesce(jsonb_agg(CASE WHEN jsonb_array_length(drawn->'points') > {MOST_POINTS}
                THEN (drawn - 'points') || jsonb_build_object('points_total', jsonb_array_length(drawn->'points'))
                ELSE drawn END ORDER BY place), '[]')
            FROM jsonb_array_elements(comparison.result->'maps') WITH ORDINALITY AS listed(drawn, place)))
    END AS result
"""
_POINTS = """
    SELECT point, place FROM comparison,
        jsonb_array_elements(comparison.result->'maps') AS listed(drawn),
        jsonb_array_elements(drawn->'points') WITH ORDINALITY AS numbered(point, place)
    WHERE comparison.id = :comparison_id AND drawn->>'space' = :space
      AND drawn->>'layer' IS NOT DISTINCT FROM CAST(:layer AS text) AND place > :after
    ORDER BY place LIMIT :limit
"""


@dataclass(frozen=True, slots=True)
class StoredStudy:
    """A comparison's result, and the request it answers as JSON."""

    request: dict[str, Any]
    study: Study


def find_comparison(connection: Connection, tenant_id: str, comparison_id: str) -> Row[Any] | None:
    """The tenant's comparison of this id with its result, without points and heads where there are many.

    Then a map has `points_total` in place of `points`, and `heads` is left out.
    """
    query = _view(text(_RESULT))
    return connection.execute(
        query.where(comparison.c.tenant_id == tenant_id, comparison.c.id == comparison_id)
    ).one_or_none()


def comparison_outline(connection: Connection, tenant_id: str, comparison_id: str) -> Row[Any] | None:
    """The tenant's comparison with the names of its `figures`, and nothing else of its result."""
    query = _view(comparison.c.result["figures"].label("figures"))
    return connection.execute(
        query.where(comparison.c.tenant_id == tenant_id, comparison.c.id == comparison_id)
    ).one_or_none()


def list_points(
    connection: Connection, comparison_id: str, space: str, layer: int | None, *, after: int, limit: int
) -> Sequence[Row[Any]]:
    """`point` and its number `place` (from 1) of one map, those after the number `after`."""
    given = {"comparison_id": comparison_id, "space": space, "layer": None if layer is None else str(layer)}
    return connection.execute(text(_POINTS), {**given, "after": after, "limit": limit}).all()


def heads_of(connection: Connection, comparison_id: str, metric: str) -> dict[str, Any] | None:
    """The tests of every head on one metric; None where heads were not compared on it."""
    found = select(comparison.c.result["heads"][metric]).where(comparison.c.id == comparison_id)
    tests: dict[str, Any] | None = connection.execute(found).scalar_one_or_none()
    return tests


def list_comparisons(
    connection: Connection, tenant_id: str, *, after: Position | None, limit: int
) -> Sequence[Row[Any]]:
    """The tenant's comparisons without their results, newest first, `limit` of them after the position."""
    query = _view().where(comparison.c.tenant_id == tenant_id)
    if after is not None:
        query = query.where(tuple_(comparison.c.created_at, comparison.c.id) < after)
    return connection.execute(query.order_by(comparison.c.created_at.desc(), comparison.c.id.desc()).limit(limit)).all()


def comparison_files(connection: Connection, comparison_id: str) -> Sequence[str]:
    """The names of the files that belong to a comparison."""
    names = select(comparison_file.c.name).where(comparison_file.c.comparison_id == comparison_id)
    return connection.execute(names.order_by(comparison_file.c.name)).scalars().all()


def read_comparison_file(
    connection: Connection, tenant_id: str, comparison_id: str, name: str
) -> tuple[str, bytes] | None:
    """Media type and bytes of one file of the tenant's comparison."""
    row = connection.execute(
        select(comparison_file.c.media_type, comparison_file.c.body)
        .join_from(comparison_file, comparison)
        .where(comparison.c.tenant_id == tenant_id, comparison.c.id == comparison_id, comparison_file.c.name == name)
    ).one_or_none()
    return None if row is None else (row.media_type, bytes(row.body))


def read_study(connection: Connection, comparison_id: str) -> StoredStudy | None:
    """The result of a comparison that has one, whatever version stored it."""
    query: Select[Any] = select(comparison.c.request, comparison.c.result).where(
        comparison.c.id == comparison_id, comparison.c.result.is_not(None)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else StoredStudy(row.request, from_json(Study, row.result))


def _view(*more: Any) -> Select[Any]:
    return select(
        comparison.c.id,
        comparison.c.job_id,
        comparison.c.request,
        comparison.c.created_at,
        job.c.state,
        job.c.reason,
        job.c.message,
        job.c.finished_at,
        *more,
    ).join_from(comparison, job)
