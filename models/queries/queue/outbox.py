"""The outbox: wake-ups, written by the transaction that makes work and deleted once sent.

A wake-up says that a queue has work, nothing more. Each model has a queue; one more is for work that needs no model.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, text

from models.tables import outbox

SUMMARIES = "summaries"
"""The queue of what needs no model: the summaries of comparisons, and their files."""

_MODEL = "model:"


@dataclass(frozen=True, slots=True)
class Wakeup:
    """A row of the outbox: this queue has work."""

    id: int
    queue: str


# A row's xmin is the transaction that wrote it, in 32 bits.
_WRITTEN_HERE = text("SELECT id, queue FROM outbox WHERE xmin = pg_current_xact_id()::xid ORDER BY id")


def queue_of(model_id: str | None) -> str:
    """The queue of a model's work, or of what needs no model."""
    return SUMMARIES if model_id is None else _MODEL + model_id


def model_of(queue: str) -> str | None:
    """The model whose work this queue has; None for what needs no model."""
    return None if queue == SUMMARIES else queue.removeprefix(_MODEL)


def write_wakeups(connection: Connection, model_ids: Iterable[str | None]) -> None:
    """Write one wake-up for the queue of each of these models, None standing for what needs no model."""
    queues = sorted({queue_of(model_id) for model_id in model_ids})
    if queues:
        connection.execute(insert(outbox), [{"queue": queue} for queue in queues])


def written_wakeups(connection: Connection) -> tuple[Wakeup, ...]:
    """The wake-ups that this transaction has written so far."""
    return tuple(Wakeup(row.id, row.queue) for row in connection.execute(_WRITTEN_HERE))


def wakeups_wait(connection: Connection) -> bool:
    """Whether there is anything in the outbox."""
    return connection.execute(select(outbox.c.id).order_by(outbox.c.id).limit(1)).first() is not None


def lock_wakeups(connection: Connection, limit: int) -> list[Wakeup]:
    """The oldest wake-ups, locked until the transaction ends; those that another transaction holds are passed over."""
    oldest = select(outbox.c.id).order_by(outbox.c.id).limit(limit).with_for_update(skip_locked=True)
    rows = connection.execute(select(outbox.c.id, outbox.c.queue).where(outbox.c.id.in_(oldest.scalar_subquery())))
    return [Wakeup(row.id, row.queue) for row in rows]


def delete_wakeups(connection: Connection, wakeup_ids: list[int]) -> None:
    """These were sent."""
    connection.execute(delete(outbox).where(outbox.c.id.in_(wakeup_ids)))
