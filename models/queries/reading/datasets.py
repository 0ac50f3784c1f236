"""Data sets: stored by COPY in one transaction, listed with their counts."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection as Driver
from psycopg import AsyncCursor
from sqlalchemy import Connection, Row, Select, func, insert, select, tuple_

from models.identifiers import new_identifier
from models.queries.reading.jobs import Position
from models.queries.writing.idempotency import IdempotencyKey, earlier_resource, remember_resource
from models.tables import dataset, document

_COPY = (
    "COPY document (id, tenant_id, dataset_id, position, external_id, domain, labels, cluster, content, "
    "content_sha256, characters) FROM STDIN"
)
_DOMAIN = 5  # its place among the columns
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


@dataclass(frozen=True, slots=True)
class NewDataset:
    """What is known of an upload once its last byte has arrived."""

    id: str
    name: str
    sha256: str
    bytes: int
    passed_over: dict[str, int]


@dataclass(frozen=True, slots=True)
class DatasetDocument:
    """One line of an upload. `labels` and `content` are JSON."""

    position: int
    external_id: str | None
    domain: str | None
    labels: str
    cluster: str | None
    content: str
    content_sha256: bytes
    characters: int


def copy_line(tenant_id: str, dataset_id: str, row: DatasetDocument) -> bytes:
    r"""A document as one line of PostgreSQL's COPY text format: tabs between fields, \\N for null."""
    fields = (
        new_identifier("doc"),
        tenant_id,
        dataset_id,
        str(row.position),
        row.external_id,
        row.domain,
        row.labels,
        row.cluster,
        row.content,
        "\\x" + row.content_sha256.hex(),
        str(row.characters),
    )
    return ("\t".join("\\N" if value is None else value.translate(_ESCAPES) for value in fields) + "\n").encode()


def in_domain(line: bytes, domain: str) -> bytes:
    """A line of `copy_line` in this domain, where its document has none of its own."""
    *before, own, after = line.split(b"\t", _DOMAIN + 1)
    return b"\t".join([*before, domain.translate(_ESCAPES).encode(), after]) if own == b"\\N" else line


def store_dataset(
    connection: Connection,
    tenant_id: str,
    new: NewDataset,
    blocks: Callable[[], Iterable[bytes]],
    idempotency: IdempotencyKey | None,
) -> str:
    """Insert a data set and, by COPY, its documents (`blocks()` of `copy_line` lines); returns its id.

    An earlier request with the same idempotency key is answered by what that one stored. Needs an async engine's
    connection. Raises `KeyReused`, `KeyInProgress`.
    """
    if idempotency is not None:
        found = earlier_resource(connection, tenant_id, idempotency)
        if found is not None:
            return found
    connection.execute(
        insert(dataset).values(
            id=new.id,
            tenant_id=tenant_id,
            name=new.name,
            sha256=new.sha256,
            bytes=new.bytes,
            passed_over=new.passed_over,
        )
    )

    async def copy(driver: Driver[Any]) -> None:
        cursor: AsyncCursor[Any]
        async with driver.cursor() as cursor, cursor.copy(_COPY) as copying:
            for block in blocks():
                await copying.write(block)

    adapted: Any = connection.connection.dbapi_connection
    adapted.run_async(copy)
    if idempotency is not None:
        remember_resource(connection, tenant_id, idempotency, new.id)
    return new.id


def find_dataset(connection: Connection, tenant_id: str, dataset_id: str) -> Row[Any] | None:
    """The tenant's data set of this id, with `documents` and `domains`."""
    return connection.execute(_view().where(dataset.c.tenant_id == tenant_id, dataset.c.id == dataset_id)).one_or_none()


def list_datasets(connection: Connection, tenant_id: str, *, after: Position | None, limit: int) -> Sequence[Row[Any]]:
    """The tenant's data sets, newest first, `limit` of them after the position."""
    query = _view().where(dataset.c.tenant_id == tenant_id)
    if after is not None:
        query = query.where(tuple_(dataset.c.created_at, dataset.c.id) < after)
    return connection.execute(query.order_by(dataset.c.created_at.desc(), dataset.c.id.desc()).limit(limit)).all()


def _view() -> Select[Any]:
    by_domain = (
        select(document.c.domain, func.count().label("documents"))
        .where(document.c.dataset_id == dataset.c.id)
        .group_by(document.c.domain)
        .correlate(dataset)
        .subquery()
    )
    documents = select(func.coalesce(func.sum(by_domain.c.documents), 0)).scalar_subquery()
    named = func.jsonb_object_agg(by_domain.c.domain, by_domain.c.documents).filter(by_domain.c.domain.is_not(None))
    domains = select(func.coalesce(named, func.jsonb_build_object())).select_from(by_domain).scalar_subquery()
    return select(dataset, documents.label("documents"), domains.label("domains"))
