"""Sending the knocks that committed transactions have left in the outbox."""

from sqlalchemy import Engine, delete, select

from models.tables import outbox
from workers.app import knock

BITE = 1_000


def send_knocks(engine: Engine) -> int:
    """Send what stands in the outbox, one knock a queue, and delete what was sent; returns the number of knocks.

    Rows that another process is sending are passed over. When the broker cannot be reached the rows stay, and the
    sweeper tries again.
    """
    due = select(outbox.c.id).order_by(outbox.c.id).limit(BITE).with_for_update(skip_locked=True)
    sent = 0
    with engine.begin() as connection:
        rows = connection.execute(select(outbox.c.id, outbox.c.queue).where(outbox.c.id.in_(due.scalar_subquery())))
        waiting: dict[str, list[int]] = {}
        for row in rows:
            waiting.setdefault(row.queue, []).append(row.id)
        for queue, ids in sorted(waiting.items()):
            if not knock(queue):
                break
            connection.execute(delete(outbox).where(outbox.c.id.in_(ids)))
            sent += 1
    return sent
