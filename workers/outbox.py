"""Sending the wake-ups that committed transactions have left in the outbox."""

from sqlalchemy import Engine

from models.queries.queue.outbox import delete_wakeups, lock_wakeups, wakeups_wait
from models.session_limits import allow_idling
from workers.app import send_wakeup
from workers.database import alone

BATCH = 1_000
"""Wake-ups that are sent in one transaction, at most."""
BROKER_SECONDS = 30.0
"""How long the broker may take for one; others pass over the rows that are locked meanwhile."""


def send_wakeups(engine: Engine) -> int:
    """Send the wake-ups in the outbox, one a queue, and delete those that were sent; returns the number sent.

    Those that another process is sending are passed over. When the broker cannot be reached they stay, and the sweeper
    tries again.
    """
    sent = 0
    with alone(engine).connect() as connection:
        if not wakeups_wait(connection):
            return 0
    with engine.begin() as connection:
        allow_idling(connection, BROKER_SECONDS)
        waiting: dict[str, list[int]] = {}
        for wakeup in lock_wakeups(connection, BATCH):
            waiting.setdefault(wakeup.queue, []).append(wakeup.id)
        for queue, ids in sorted(waiting.items()):
            if not send_wakeup(queue):
                break
            delete_wakeups(connection, ids)
            sent += 1
    return sent
