"""Browsers that signed in with a key. A cookie holds a secret of its own, of which only the SHA-256 is kept."""

import secrets
from datetime import timedelta

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from models.queries.access.keys import digest_of, find_key
from models.tables import api_key, sign_in

SECRET_BYTES = 32


def begin_sign_in(connection: Connection, key_secret: str, hours: float) -> str | None:
    """Exchange a key for what the cookie holds; None for a key that was never made or was revoked."""
    key = find_key(connection, key_secret)
    if key is None:
        return None
    secret = secrets.token_urlsafe(SECRET_BYTES)
    connection.execute(
        insert(sign_in).values(
            secret_sha256=digest_of(secret), key_id=key.id, expires_at=func.now() + timedelta(hours=hours)
        )
    )
    return secret


def tenant_of_sign_in(connection: Connection, secret: str) -> str | None:
    """Whose browser this is; None where the time is over or the key was revoked."""
    found = (
        select(api_key.c.tenant_id)
        .join_from(sign_in, api_key)
        .where(
            sign_in.c.secret_sha256 == digest_of(secret),
            sign_in.c.expires_at > func.now(),
            api_key.c.revoked_at.is_(None),
        )
    )
    return connection.execute(found).scalar_one_or_none()


def end_sign_in(connection: Connection, secret: str) -> None:
    """Forget what a cookie holds."""
    connection.execute(delete(sign_in).where(sign_in.c.secret_sha256 == digest_of(secret)))
