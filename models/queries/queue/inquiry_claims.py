"""Inquiries as a worker sees them: short work that somebody waits for, claimed like items."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, exists, func, literal, or_, select, update

from models.queries.queue.claims import UNLEASED, new_lease_token
from models.queries.queue.notifications import notify
from models.queries.queue.outbox import write_wakeups
from models.states import InquiryState
from models.tables import inquiry

QUEUED = literal(InquiryState.QUEUED, Text, literal_execute=True)


@dataclass(frozen=True, slots=True)
class ClaimedInquiry:
    """An inquiry to answer; `models.queries.queue.inquiries.ask` says what the request of each kind holds."""

    id: str
    token: int
    kind: str
    request: dict[str, Any]


def claim_inquiries(
    connection: Connection, model_id: str | None, worker_id: str, *, limit: int, lease_seconds: float
) -> list[ClaimedInquiry]:
    """Take up to `limit` inquiries to the model, or those without one, that somebody still waits for, oldest first."""
    waiting = connection.execute(
        select(inquiry.c.id, inquiry.c.kind, inquiry.c.request)
        .where(_to_models([model_id]), inquiry.c.state == QUEUED, inquiry.c.expires_at > func.now())
        .order_by(inquiry.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    if not waiting:
        return []
    token = new_lease_token(connection)
    connection.execute(
        update(inquiry)
        .where(inquiry.c.id.in_([row.id for row in waiting]))
        .values(
            state=InquiryState.RUNNING,
            lease_token=token,
            leased_until=func.now() + timedelta(seconds=lease_seconds),
            worker_id=worker_id,
        )
    )
    return [ClaimedInquiry(row.id, token, row.kind, row.request) for row in waiting]


def inquiries_wait(connection: Connection, model_ids: Sequence[str | None]) -> bool:
    """Whether anybody waits for an answer of one of these models; None stands for inquiries without a model."""
    waiting = exists().where(_to_models(model_ids), inquiry.c.state == QUEUED, inquiry.c.expires_at > func.now())
    return bool(connection.execute(select(waiting)).scalar_one())


def _to_models(model_ids: Sequence[str | None]) -> ColumnElement[bool]:
    named = inquiry.c.model_id.in_([model_id for model_id in model_ids if model_id is not None])
    return or_(named, inquiry.c.model_id.is_(None)) if None in model_ids else named


def still_waited_for(connection: Connection, claimed: ClaimedInquiry) -> bool:
    """Whether the inquiry is still this claim's, and somebody waits for its answer."""
    waits = exists().where(
        inquiry.c.id == claimed.id,
        inquiry.c.state == InquiryState.RUNNING,
        inquiry.c.lease_token == claimed.token,
        inquiry.c.expires_at > func.now(),
    )
    return bool(connection.execute(select(waits)).scalar_one())


def answer_inquiry(
    connection: Connection, claimed: ClaimedInquiry, response: dict[str, Any], body: bytes | None = None
) -> None:
    """Store the response, if the inquiry is still this claim's, and notify whoever waits.

    A `body` holds arrays; the response is then their layout.
    """
    _end(connection, claimed, {"state": InquiryState.DONE, "response": response, "body": body})


def fail_inquiry(connection: Connection, claimed: ClaimedInquiry, reason: str, message: str) -> None:
    """Store why there is no response, if the inquiry is still this claim's, and notify whoever waits."""
    _end(connection, claimed, {"state": InquiryState.FAILED, "reason": reason, "message": message})


def give_back_inquiries(connection: Connection, claimed: Sequence[ClaimedInquiry]) -> None:
    """Queue again those that are still their claim's and not ended, and write wake-ups."""
    returned = connection.execute(
        update(inquiry)
        .where(
            inquiry.c.id.in_([each.id for each in claimed]),
            inquiry.c.state == InquiryState.RUNNING,
            inquiry.c.lease_token.in_([each.token for each in claimed]),
        )
        .values(state=InquiryState.QUEUED, **UNLEASED)
        .returning(inquiry.c.model_id)
    )
    write_wakeups(connection, list(returned.scalars()))


def _end(connection: Connection, claimed: ClaimedInquiry, values: dict[str, Any]) -> None:
    ended = connection.execute(
        update(inquiry)
        .where(
            inquiry.c.id == claimed.id, inquiry.c.state == InquiryState.RUNNING, inquiry.c.lease_token == claimed.token
        )
        .values(**values, **UNLEASED)
    )
    if ended.rowcount:
        notify(connection, [claimed.id])
