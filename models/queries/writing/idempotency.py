"""Idempotency keys: the same key and request find what the first one made. Per tenant, for a time."""

import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from models.errors import KeyInProgress, KeyReused
from models.tables import idempotency


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A key as a client sent it, the digest of the request it came with, and how long keys are kept."""

    key: str
    body_sha256: bytes
    hours: float


def lock_number(tenant_id: str, sent: IdempotencyKey) -> int:
    """The advisory lock that whoever uses the key holds until the commit."""
    digest = hashlib.sha256(f"{tenant_id}\0{sent.key}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


def earlier_resource(connection: Connection, tenant_id: str, sent: IdempotencyKey) -> str | None:
    """What the first request with this key made, or None when this is the first; then the key is held until commit.

    Raises `KeyReused` when the key came with another request, `KeyInProgress` when somebody else holds it.
    """
    if not connection.execute(select(func.pg_try_advisory_xact_lock(lock_number(tenant_id, sent)))).scalar_one():
        raise KeyInProgress
    row = connection.execute(
        select(idempotency.c.body_sha256, idempotency.c.resource).where(
            idempotency.c.tenant_id == tenant_id,
            idempotency.c.key == sent.key,
            idempotency.c.created_at > func.now() - func.make_interval(0, 0, 0, 0, 0, 0, sent.hours * 3600),
        )
    ).one_or_none()
    if row is None:
        return None
    if bytes(row.body_sha256) != sent.body_sha256:
        raise KeyReused
    return str(row.resource)


def remember_resource(connection: Connection, tenant_id: str, sent: IdempotencyKey, resource: str) -> None:
    """Keep what this request made, in the transaction that makes it."""
    values = {"body_sha256": sent.body_sha256, "resource": resource, "created_at": func.now()}
    row = insert(idempotency).values(tenant_id=tenant_id, key=sent.key, **values)
    connection.execute(row.on_conflict_do_update(index_elements=["tenant_id", "key"], set_=values))
