"""Storing a data set: its documents by COPY, in one transaction with its row."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection as Driver
from psycopg import AsyncCursor
from sqlalchemy import Connection, Row, insert, update

from models.errors import KeyForgotten
from models.identifiers import new_identifier
from models.queries.reading.datasets import counted, find_dataset
from models.queries.writing.idempotency import IdempotencyKey, earlier_resource, remember_resource
from models.session_limits import allow_long_statements
from models.tables import dataset

_COPY = (
    "COPY document (id, tenant_id, dataset_id, position, external_id, domain, labels, cluster, content, "
    "content_sha256, characters, reading) FROM STDIN"
)
_DOMAIN = 5  # its index among the columns
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


@dataclass(frozen=True, slots=True)
class NewDataset:
    """What is known of an upload once its last byte has arrived; `reading` is what it was taken for."""

    id: str
    name: str
    sha256: str
    bytes: int
    passed_over: dict[str, int]
    reading: dict[str, Any]


@dataclass(frozen=True, slots=True)
class DatasetDocument:
    """One document of an upload. `labels`, `content` and `reading`, that of a transcript, are JSON."""

    position: int
    external_id: str | None
    domain: str | None
    labels: str
    cluster: str | None
    content: str
    content_sha256: bytes
    characters: int
    reading: str | None = None


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
        row.reading,
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
) -> Row[Any]:
    """Insert a data set and, by COPY, its documents (`blocks()` of `copy_line` lines); what was stored, as a row.

    An earlier request with the same idempotency key is answered by what that one stored. The row is that of
    `find_dataset`, read in the same transaction: once this has committed, anybody may delete the data set. Needs an
    async engine's connection. Raises `KeyReused`, `KeyInProgress`, `KeyForgotten`.
    """
    if idempotency is not None:
        earlier = earlier_resource(connection, tenant_id, idempotency)
        if earlier is not None:
            row = find_dataset(connection, tenant_id, earlier)
            if row is None:
                raise KeyForgotten
            return row
    connection.execute(
        insert(dataset).values(
            id=new.id,
            tenant_id=tenant_id,
            name=new.name,
            sha256=new.sha256,
            bytes=new.bytes,
            passed_over=new.passed_over,
            reading=new.reading,
        )
    )

    allow_long_statements(connection)

    async def copy(driver: Driver[Any]) -> None:
        cursor: AsyncCursor[Any]
        async with driver.cursor() as cursor, cursor.copy(_COPY) as copying:
            for block in blocks():
                await copying.write(block)

    adapted: Any = connection.connection.dbapi_connection
    adapted.run_async(copy)
    connection.execute(
        update(dataset)
        .where(dataset.c.id == new.id)
        .values(dict(zip(("documents", "domains"), connection.execute(counted(new.id)).one(), strict=True)))
    )
    if idempotency is not None:
        remember_resource(connection, tenant_id, idempotency, new.id)
    stored = find_dataset(connection, tenant_id, new.id)
    assert stored is not None
    return stored
