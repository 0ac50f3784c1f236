"""Inquiries from the asker's side: a short question to a model, and its answer. Nothing of them stays."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from models.identifiers import new_identifier
from models.queries.knocks import Knock, written_knocks
from models.queries.settling import model_queue
from models.tables import inquiry, outbox


def ask_embedding(
    connection: Connection, tenant_id: str, model_id: str, content: dict[str, Any], patience: timedelta
) -> tuple[str, tuple[Knock, ...]]:
    """Ask for the embedding of a document's content; the inquiry's id, and the knock to send after the commit."""
    inquiry_id = new_identifier("inq")
    connection.execute(
        insert(inquiry).values(
            id=inquiry_id,
            tenant_id=tenant_id,
            kind="embedding",
            model_id=model_id,
            request={"content": content},
            expires_at=func.now() + patience,
        )
    )
    connection.execute(insert(outbox).values(queue=model_queue(model_id)))
    return inquiry_id, written_knocks(connection)


def read_inquiry(connection: Connection, inquiry_id: str) -> Row[Any] | None:
    """State, response, reason and message."""
    columns: tuple[Any, ...] = (inquiry.c.state, inquiry.c.response, inquiry.c.reason, inquiry.c.message)
    return connection.execute(select(*columns).where(inquiry.c.id == inquiry_id)).one_or_none()


def end_inquiry(connection: Connection, inquiry_id: str) -> None:
    """The asker has its answer, or waits no longer."""
    connection.execute(delete(inquiry).where(inquiry.c.id == inquiry_id))
