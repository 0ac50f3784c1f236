"""Tenants and their keys. A key is shown once, when it is made; only its SHA-256 is kept."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert

from models.identifiers import new_identifier
from models.tables import LOCAL_TENANT, api_key, tenant

PREFIX = "hk_"
SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made: `secret` is what the client sends, and is never seen again."""

    id: str
    tenant: str
    secret: str


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key that was made and not revoked."""

    id: str
    tenant_id: str


def ensure_local_tenant(connection: Connection) -> str:
    """The one tenant of an installation that asks for no keys."""
    connection.execute(insert(tenant).values(id=LOCAL_TENANT, name=LOCAL_TENANT).on_conflict_do_nothing())
    return LOCAL_TENANT


def create_key(connection: Connection, tenant_name: str) -> NewKey:
    """Make a key for the tenant of this name, and the tenant where there is none."""
    made = insert(tenant).values(
        id=LOCAL_TENANT if tenant_name == LOCAL_TENANT else new_identifier("tn"), name=tenant_name
    )
    connection.execute(made.on_conflict_do_nothing())
    tenant_id = connection.execute(select(tenant.c.id).where(tenant.c.name == tenant_name)).scalar_one()
    secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    key = NewKey(new_identifier("key"), tenant_name, secret)
    connection.execute(
        insert(api_key).values(id=key.id, tenant_id=tenant_id, secret_sha256=digest_of(secret), hint=secret[:7] + "…")
    )
    return key


def revoke_key(connection: Connection, key_id: str) -> bool:
    """End a key; False when there is none of this id that still holds."""
    ended = connection.execute(
        update(api_key).where(api_key.c.id == key_id, api_key.c.revoked_at.is_(None)).values(revoked_at=func.now())
    )
    return ended.rowcount == 1


def tenant_of_key(connection: Connection, secret: str) -> str | None:
    """Whose key this is; None for a key that was never made or was revoked."""
    key = find_key(connection, secret)
    return None if key is None else key.tenant_id


def find_key(connection: Connection, secret: str) -> HeldKey | None:
    """The key that has this secret; None for one that was never made or was revoked.

    Looked up by digest, which tells nothing about the secret by its timing, and compared in constant time.
    """
    digest = digest_of(secret)
    row = connection.execute(
        select(api_key.c.id, api_key.c.tenant_id, api_key.c.secret_sha256).where(
            api_key.c.secret_sha256 == digest, api_key.c.revoked_at.is_(None)
        )
    ).one_or_none()
    if row is None or not hmac.compare_digest(bytes(row.secret_sha256), digest):
        return None
    return HeldKey(row.id, row.tenant_id)


def digest_of(secret: str) -> bytes:
    """What is kept of a secret: its SHA-256."""
    return hashlib.sha256(secret.encode()).digest()
