"""Comparisons as clients see them, and the files made from their results."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, select, tuple_

from models.queries.jobs import Position
from models.tables import comparison, comparison_file, job


def find_comparison(connection: Connection, tenant_id: str, comparison_id: str) -> Row[Any] | None:
    """The tenant's comparison of this id with its result."""
    query = _view(comparison.c.result)
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
