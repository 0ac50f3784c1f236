"""Inquiries as the service sees them: written, read for their answer, and deleted after it."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from models.identifiers import new_identifier
from models.queries.queue.outbox import Wakeup, write_wakeups, written_wakeups
from models.tables import inquiry


def ask(
    connection: Connection,
    tenant_id: str,
    model_id: str | None,
    kind: str,
    request: dict[str, Any],
    patience: timedelta,
) -> tuple[str, tuple[Wakeup, ...]]:
    """Write an inquiry; returns its id, and the wake-up to send after the commit.

    The request of the kind `embedding` is {"content": a document's content}, "options" (models.work.WorkOptions) where
    it is not read whole, "space" where its point in another space is asked for, and "comparison_id" where it is
    also to be placed on the map of a comparison under this model; of `comparison_file`, which needs no model,
    {"comparison_id", "name"}; of the others {"analysis_id"}, and for `attention` also {"window", "layer", "head"}.
    """
    inquiry_id = new_identifier("inq")
    connection.execute(
        insert(inquiry).values(
            id=inquiry_id,
            tenant_id=tenant_id,
            kind=kind,
            model_id=model_id,
            request=request,
            expires_at=func.now() + patience,
        )
    )
    write_wakeups(connection, [model_id])
    return inquiry_id, written_wakeups(connection)


def read_inquiry(connection: Connection, inquiry_id: str) -> Row[Any] | None:
    """State, response, body, reason and message."""
    columns: tuple[Any, ...] = (
        inquiry.c.state,
        inquiry.c.response,
        inquiry.c.body,
        inquiry.c.reason,
        inquiry.c.message,
    )
    return connection.execute(select(*columns).where(inquiry.c.id == inquiry_id)).one_or_none()


def end_inquiry(connection: Connection, inquiry_id: str) -> None:
    """Delete an inquiry that was answered, or that nobody waits for any more."""
    connection.execute(delete(inquiry).where(inquiry.c.id == inquiry_id))
