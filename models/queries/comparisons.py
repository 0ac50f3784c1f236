"""Comparisons as clients see them, and the files made from their results."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, literal, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from models.queries.jobs import Position
from models.tables import comparison, comparison_file, job


@dataclass(frozen=True, slots=True)
class SummaryFile:
    """A file made from a comparison's result."""

    name: str
    media_type: str
    body: bytes


def find_comparison(connection: Connection, tenant_id: str, comparison_id: str) -> Row[Any] | None:
    """The tenant's comparison of this id with its result."""
    query = _view(comparison.c.result)
    return connection.execute(
        query.where(comparison.c.tenant_id == tenant_id, comparison.c.id == comparison_id)
    ).one_or_none()


def comparison_outline(connection: Connection, tenant_id: str, comparison_id: str) -> Row[Any] | None:
    """The tenant's comparison with the names of its `figures`, and nothing else of its result."""
    query = _view(comparison.c.result["figures"].label("figures"))
    return connection.execute(
        query.where(comparison.c.tenant_id == tenant_id, comparison.c.id == comparison_id)
    ).one_or_none()


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


def result_of(connection: Connection, comparison_id: str) -> Row[Any] | None:
    """`request` and `result` of a comparison that has a result."""
    found: Select[Any] = select(comparison.c.request, comparison.c.result).where(
        comparison.c.id == comparison_id, comparison.c.result.is_not(None)
    )
    return connection.execute(found).one_or_none()


def keep_file(connection: Connection, comparison_id: str, file: SummaryFile) -> None:
    """Store a file with its comparison, in place of one of the same name; without effect where that is gone."""
    owner = select(
        comparison.c.id,
        literal(file.name),
        literal(file.media_type),
        literal(file.body, comparison_file.c.body.type),
    ).where(comparison.c.id == comparison_id)
    row = insert(comparison_file).from_select(
        ["comparison_id", "name", "media_type", "body"], owner.with_for_update(read=True, key_share=True)
    )
    values = {"media_type": row.excluded.media_type, "body": row.excluded.body}
    connection.execute(row.on_conflict_do_update(index_elements=["comparison_id", "name"], set_=values))


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
