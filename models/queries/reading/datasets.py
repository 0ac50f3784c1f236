"""Data sets as clients see them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, tuple_

from models.queries.reading.jobs import Position
from models.tables import dataset, document


def find_dataset(connection: Connection, tenant_id: str, dataset_id: str) -> Row[Any] | None:
    """The tenant's data set of this id."""
    return connection.execute(
        select(dataset).where(dataset.c.tenant_id == tenant_id, dataset.c.id == dataset_id)
    ).one_or_none()


def list_datasets(connection: Connection, tenant_id: str, *, after: Position | None, limit: int) -> Sequence[Row[Any]]:
    """The tenant's data sets, newest first, `limit` of them after the position."""
    query = select(dataset).where(dataset.c.tenant_id == tenant_id)
    if after is not None:
        query = query.where(tuple_(dataset.c.created_at, dataset.c.id) < after)
    return connection.execute(query.order_by(dataset.c.created_at.desc(), dataset.c.id.desc()).limit(limit)).all()


def counted(dataset_id: str) -> Select[Any]:
    """How many documents a data set has, and of each domain by its name."""
    by_domain = (
        select(document.c.domain, func.count().label("documents"))
        .where(document.c.dataset_id == dataset_id)
        .group_by(document.c.domain)
        .subquery()
    )
    named = func.jsonb_object_agg(by_domain.c.domain, by_domain.c.documents).filter(by_domain.c.domain.is_not(None))
    return select(
        func.coalesce(func.sum(by_domain.c.documents), 0).label("documents"),
        func.coalesce(named, func.jsonb_build_object()).label("domains"),
    ).select_from(by_domain)
