"""Claims: how a worker takes work items, keeps them, and returns or ends them.

A claim is a set of items under one lease token. Whoever holds a newer token, or none, changes nothing: every statement
here that ends a claim looks at the token first. Claiming never waits for another transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Integer,
    Interval,
    Row,
    Select,
    SmallInteger,
    Text,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    update,
)

from models.queries.queue.job_state import mark_started, settle_jobs
from models.queries.queue.outbox import write_wakeups
from models.states import ItemState
from models.tables import document, job, work_item
from models.work import WorkOptions

QUEUED = literal(ItemState.QUEUED, Text, literal_execute=True)
RUNNING = literal(ItemState.RUNNING, Text, literal_execute=True)
SHORT = 64
"""Documents of up to this many tokens may share a claim whatever their lengths, since padding is cheap there."""

REST = timedelta(seconds=10)
"""How long an item whose store took too long leaves the head of the queue to others."""

TO_CANCEL: Final = exists().where(job.c.id == work_item.c.job_id, job.c.cancel_requested_at.is_not(None))
"""Of an item: whether its job is to be cancelled."""

UNLEASED: dict[str, Any] = {"lease_token": None, "leased_until": None, "worker_id": None}


@dataclass(frozen=True, slots=True)
class ClaimedItem:
    """One document to be measured for one job. `content` and `options` are as the client sent them.

    `alone` says that it lost a worker before, or took too long to store, so that nothing else may be at stake with it;
    `unwanted` that its job was to be cancelled when it was claimed.
    """

    id: int
    tenant_id: str
    job_id: str
    document_id: str
    content: dict[str, Any]
    options: WorkOptions
    request_key: bytes
    priority: int
    estimated_tokens: int
    alone: bool
    unwanted: bool
    listed: bool
    queued_at: datetime
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """Items of one model that one worker may measure, for as long as it renews the lease."""

    token: int
    model_id: str
    items: tuple[ClaimedItem, ...]
    more: bool = False
    """Whether a wake-up was written for work that is left."""


@dataclass(frozen=True, slots=True)
class Urgent:
    """What may be taken while another claim runs: items above a priority, of an estimated length up to `longest`.

    Items of the tenants `besides` wait for their turn. Items that lost their worker before are never urgent: if they
    crashed this one too, the running claim would be lost.
    """

    above_priority: int
    longest: int | None = None
    besides: frozenset[str] = frozenset()


def claim_items(
    connection: Connection,
    model_id: str,
    worker_id: str,
    *,
    documents: int,
    token_budget: int,
    lease_seconds: float,
    urgent: Urgent | None = None,
) -> Claim | None:
    """Take the head item by priority, then age, and up to `documents` in all of like length beside it.

    The padded size of what is taken stays within `token_budget` by the items' estimates; a head that is longer goes
    alone, and so does one that lost its worker before, or took too long to store. Items that another transaction holds
    are passed over, and for a while those whose store took too long. When more work is left for the model, a wake-up is
    written for the next worker. None where there is nothing to do.
    """
    head = connection.execute(*_head(model_id, urgent, lock=True)).one_or_none()
    if head is None:
        return None
    chosen = [head.id]
    if head.next_id is not None and not head.alone and documents > 1:
        chosen += _companions(connection, model_id, head, documents, token_budget, urgent)
    taken = (
        update(work_item)
        .where(work_item.c.id.in_(chosen), work_item.c.document_id == document.c.id, work_item.c.job_id == job.c.id)
        .values(
            state=ItemState.RUNNING,
            lease_token=select(func.nextval("lease_token")).scalar_subquery(),  # once, and not once a row
            leased_until=func.now() + timedelta(seconds=lease_seconds),
            worker_id=worker_id,
            started_at=func.now(),
        )
        .returning(work_item.c.lease_token, *_CONTENTS)
    )
    rows = connection.execute(taken).all()
    items = tuple(sorted(map(_claimed, rows), key=lambda item: item.id))
    mark_started(connection, sorted({item.job_id for item in items}))
    more = head.next_id is not None and work_waits(connection, [model_id])  # what has come since has its own wake-up
    if more:
        write_wakeups(connection, [model_id])
    return Claim(rows[0].lease_token, model_id, items, more)


def new_lease_token(connection: Connection) -> int:
    """A fencing token greater than every earlier one."""
    return int(connection.execute(select(func.nextval("lease_token"))).scalar_one())


def work_waits(connection: Connection, model_ids: Sequence[str], urgent: Urgent | None = None) -> bool:
    """Whether any of the models has queued items.

    Asks for the head, which the index gives at once; an EXISTS may read the whole table where much is queued.
    """
    heads = (connection.execute(*_head(model_id, urgent)).first() for model_id in model_ids)
    return any(head is not None for head in heads)


def renew_leases(connection: Connection, tokens: Sequence[int], lease_seconds: float) -> None:
    """Extend these leases. Rows that are being stored just now are passed over, never waited for."""
    held = (
        select(work_item.c.id)
        .where(work_item.c.state == RUNNING, work_item.c.lease_token.in_(tokens))
        .with_for_update(skip_locked=True)
    )
    connection.execute(
        update(work_item)
        .where(work_item.c.id.in_(held.scalar_subquery()))
        .values(leased_until=func.now() + timedelta(seconds=lease_seconds))
    )


def give_back_everything(connection: Connection, tokens: Sequence[int]) -> None:
    """Queue again every item that these claims still hold: for a worker that has to end at once."""
    for token in sorted(tokens):
        held = select(work_item.c.id).where(work_item.c.state == RUNNING, work_item.c.lease_token == token)
        give_back(connection, token, list(connection.execute(held).scalars()))


def lock_held(connection: Connection, token: int, item_ids: Sequence[int]) -> set[int]:
    """Lock, in the order of their ids, the items of the claim that are still its own."""
    own = select(work_item.c.id).where(
        work_item.c.state == RUNNING, work_item.c.lease_token == token, work_item.c.id.in_(item_ids)
    )
    return set(connection.execute(own.order_by(work_item.c.id).with_for_update()).scalars())


@dataclass(frozen=True, slots=True)
class ClaimStatus:
    """The items of a claim that are still wanted, those to be cancelled, and the jobs past their Cancel-After."""

    wanted: frozenset[int]
    cancelled: frozenset[int]
    overdue_jobs: frozenset[str]


def claim_status(connection: Connection, token: int, item_ids: Sequence[int]) -> ClaimStatus:
    """The present state of those items of the claim that it still holds; one in neither set was lost."""
    overdue = and_(job.c.cancel_after.is_not(None), job.c.cancel_after <= func.now())
    rows = connection.execute(
        select(
            work_item.c.id,
            work_item.c.job_id,
            job.c.cancel_requested_at.is_not(None).label("requested"),
            overdue.label("overdue"),
        )
        .join_from(work_item, job)
        .where(work_item.c.state == RUNNING, work_item.c.lease_token == token, work_item.c.id.in_(item_ids))
    ).all()
    return ClaimStatus(
        wanted=frozenset(row.id for row in rows if not row.requested and not row.overdue),
        cancelled=frozenset(row.id for row in rows if row.requested or row.overdue),
        overdue_jobs=frozenset(row.job_id for row in rows if row.overdue and not row.requested),
    )


def give_back(connection: Connection, token: int, item_ids: Sequence[int]) -> None:
    """Queue items of the claim again as they were, and write wake-ups. Items of cancelled jobs are cancelled."""
    if not item_ids:
        return
    held = lock_held(connection, token, item_ids)
    if not held:
        return
    returned = connection.execute(
        update(work_item)
        .where(work_item.c.id.in_(held))
        .values(
            state=case((TO_CANCEL, ItemState.CANCELLED), else_=ItemState.QUEUED),
            started_at=None,
            finished_at=case((TO_CANCEL, func.now())),
            **UNLEASED,
        )
        .returning(work_item.c.job_id, work_item.c.model_id)
    ).all()
    write_wakeups(connection, (row.model_id for row in returned))
    settle_jobs(connection, [row.job_id for row in returned])


def cancel_items(connection: Connection, token: int, item_ids: Sequence[int]) -> None:
    """Mark items of the claim cancelled, and settle their jobs."""
    _end(connection, token, item_ids, {"state": ItemState.CANCELLED})


def fail_items(connection: Connection, token: int, failures: Mapping[int, tuple[str, str]]) -> None:
    """Mark items of the claim failed, each with its reason and message, and settle their jobs."""
    held = lock_held(connection, token, list(failures))
    if not held:
        return
    connection.execute(
        update(work_item)
        .where(work_item.c.id == bindparam("item"))
        .values(
            state=ItemState.FAILED,
            reason=bindparam("item_reason"),
            message=bindparam("item_message"),
            finished_at=func.now(),
            **UNLEASED,
        ),
        [{"item": item, "item_reason": failures[item][0], "item_message": failures[item][1]} for item in sorted(held)],
    )
    settle_jobs(connection, _jobs_of(connection, held))


def _end(connection: Connection, token: int, item_ids: Sequence[int], values: dict[str, Any]) -> None:
    held = lock_held(connection, token, item_ids)
    if not held:
        return
    connection.execute(
        update(work_item).where(work_item.c.id.in_(held)).values(finished_at=func.now(), **UNLEASED, **values)
    )
    settle_jobs(connection, _jobs_of(connection, held))


def _jobs_of(connection: Connection, item_ids: set[int]) -> list[str]:
    return list(connection.execute(select(work_item.c.job_id).where(work_item.c.id.in_(item_ids)).distinct()).scalars())


def _head(model_id: str, urgent: Urgent | None, *, lock: bool = False) -> tuple[Select[Any], dict[str, Any]]:
    """The query for the head of the model's queue, and its parameters."""
    limits: dict[str, Any] = {}
    if urgent is not None:
        limits["above"] = urgent.above_priority
        if urgent.longest is not None:
            limits["longest"] = urgent.longest
        if urgent.besides:
            limits["besides"] = sorted(urgent.besides)
    return _head_query(frozenset(limits), lock), {"model": model_id, "rest": REST, **limits}


@cache  # asked between all passes, and longer in the making than in the asking
def _head_query(limits: frozenset[str], lock: bool) -> Select[Any]:
    """The most urgent item, and in `next_id` whether any other is queued beside it.

    Asked for in the order of the index; an EXISTS may read the whole table where much is queued.
    """
    model, rest = bindparam("model", type_=Text), bindparam("rest", type_=Interval)
    queued = work_item.alias("queued")
    following = (
        select(queued.c.id)
        .where(queued.c.model_id == model, queued.c.state == QUEUED)
        .order_by(queued.c.priority.desc(), queued.c.id)
        .offset(1)
        .limit(1)
        .scalar_subquery()
    )
    head = select(
        work_item.c.id,
        work_item.c.priority,
        work_item.c.estimated_tokens,
        work_item.c.alone,
        following.label("next_id"),
    ).where(
        work_item.c.model_id == model,
        work_item.c.state == QUEUED,
        or_(work_item.c.timed_out_at.is_(None), work_item.c.timed_out_at < func.now() - rest),
    )
    if "above" in limits:
        head = head.where(work_item.c.priority > bindparam("above", type_=SmallInteger), ~work_item.c.alone)
    if "longest" in limits:
        head = head.where(work_item.c.estimated_tokens <= bindparam("longest", type_=Integer))
    if "besides" in limits:
        head = head.where(work_item.c.tenant_id.not_in(bindparam("besides", expanding=True)))
    head = head.order_by(work_item.c.priority.desc(), work_item.c.id).limit(1)
    return head.with_for_update(skip_locked=True, of=work_item) if lock else head


def _companions(
    connection: Connection,
    model_id: str,
    head: Row[Any],
    documents: int,
    token_budget: int,
    urgent: Urgent | None,
) -> list[int]:
    """Of the unlocked items nearest in length to the head, as many as fit; the others are released on commit."""
    length = work_item.c.estimated_tokens
    shortest = 0 if head.estimated_tokens <= SHORT else head.estimated_tokens // 2
    longest = max(2 * head.estimated_tokens, SHORT)
    like = (
        select(work_item.c.id, length)
        .where(
            work_item.c.model_id == model_id,
            work_item.c.state == QUEUED,
            work_item.c.priority == head.priority,
            work_item.c.id != head.id,
            ~work_item.c.alone,
        )
        .limit(documents - 1)
        .with_for_update(skip_locked=True)
    )
    if urgent is not None and urgent.besides:
        like = like.where(work_item.c.tenant_id.not_in(urgent.besides))
    longer = like.where(length >= head.estimated_tokens, length <= longest).order_by(length, work_item.c.id)
    shorter = like.where(length < head.estimated_tokens, length >= shortest).order_by(
        length.desc(), work_item.c.id.desc()
    )
    candidates = [*connection.execute(longer).all(), *connection.execute(shorter).all()]
    candidates.sort(key=lambda row: (abs(row.estimated_tokens - head.estimated_tokens), row.id))
    chosen: list[int] = []
    widest = head.estimated_tokens
    for candidate in candidates[: documents - 1]:
        widest = max(widest, candidate.estimated_tokens)
        if widest * (len(chosen) + 2) > token_budget:
            break
        chosen.append(candidate.id)
    return chosen


_CONTENTS: Final = (
    work_item.c.id,
    work_item.c.tenant_id,
    work_item.c.job_id,
    work_item.c.document_id,
    document.c.content,
    work_item.c.options,
    work_item.c.request_key,
    work_item.c.priority,
    work_item.c.estimated_tokens,
    work_item.c.alone,
    or_(job.c.cancel_requested_at.is_not(None), func.coalesce(job.c.cancel_after <= func.now(), false())).label(
        "unwanted"
    ),
    (job.c.kind != "comparison").label("listed"),
    work_item.c.queued_at,
    work_item.c.started_at,
)
"""What a `ClaimedItem` is made of."""


def _claimed(row: Row[Any]) -> ClaimedItem:
    fields = {name: value for name, value in row._mapping.items() if name != "lease_token"}
    return ClaimedItem(**{**fields, "options": WorkOptions.model_validate(row.options)})
