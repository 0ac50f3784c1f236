"""Knocks in the outbox: found again by the transaction that wrote them, deleted once sent."""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, text

from models.tables import outbox


@dataclass(frozen=True, slots=True)
class Knock:
    """An outbox row: there is work behind this queue."""

    id: int
    queue: str


# A row's xmin is the transaction that wrote it, in 32 bits.
_WRITTEN_HERE = text("SELECT id, queue FROM outbox WHERE xmin = pg_current_xact_id()::xid ORDER BY id")


def written_knocks(connection: Connection) -> tuple[Knock, ...]:
    """The knocks that this transaction has written so far."""
    return tuple(Knock(row.id, row.queue) for row in connection.execute(_WRITTEN_HERE))


def delete_knocks(connection: Connection, knock_ids: list[int]) -> None:
    """These were sent."""
    connection.execute(delete(outbox).where(outbox.c.id.in_(knock_ids)))
