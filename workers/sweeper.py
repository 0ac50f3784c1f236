"""The sweeper: recovers from lost workers, a lost broker and jobs that were not settled."""

import logging
from collections.abc import Callable

from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError
from sqlalchemy import Connection, Engine

from models.database_errors import in_one_line, over_own_limit
from models.queries.queue import sweeping
from models.queries.writing.profiles import make_missing_profiles
from models.settings import settings
from workers.app import app, messages_wait, send_wakeup
from workers.outbox import send_wakeups

log = logging.getLogger(__name__)

WORKER_SILENCE = 5
"""After this many times `worker_alive_seconds` without a heartbeat a worker's row is removed."""


def sweep(engine: Engine) -> None:
    """One sweep. Each step is a transaction of its own; sweeps may run side by side.

    A step that meets a limit of ours, such as a lock that somebody keeps, is left to the next sweep.
    """
    chosen = settings()
    steps: tuple[tuple[str, Callable[[Connection], object]], ...] = (
        ("orphaned items", lambda c: sweeping.return_orphaned_items(c, chosen.losses_alone)),
        ("orphaned inquiries", sweeping.return_orphaned_inquiries),
        ("orphaned summaries", lambda c: sweeping.return_orphaned_summaries(c, chosen.losses_alone)),
        ("jobs cancelled by Cancel-After", sweeping.cancel_overdue_jobs),
        ("stuck jobs", sweeping.settle_stuck_jobs),
        ("measurements without a profile", make_missing_profiles),
        (
            "expired rows",
            lambda c: {
                name: count
                for name, count in sweeping.delete_expired(
                    c,
                    idempotency_hours=chosen.idempotency_hours,
                    worker_seconds=WORKER_SILENCE * chosen.worker_alive_seconds,
                ).items()
                if count
            },
        ),
    )
    for what, step in steps:
        try:
            with engine.begin() as connection:
                swept = step(connection)
        except Exception as error:
            if not over_own_limit(error):
                raise
            log.warning("%s wait for the next sweep: %s", what, in_one_line(error))
            continue
        if swept:
            log.info("swept %s: %s", what, swept)
    send_wakeups(engine)
    _send_lost_wakeups(engine)


def _send_lost_wakeups(engine: Engine) -> None:
    """Wake workers for the queues that have work and no message: the broker may have lost it."""
    with engine.connect() as connection:
        queues = sweeping.queues_with_work(connection)
    if not queues:
        return
    try:
        with app.connection_for_read() as broker:
            silent = [queue for queue in queues if not messages_wait(broker.default_channel, queue)]
    except (BrokerError, RedisError) as error:
        log.warning("the broker cannot be reached, work waits in the database: %s", error)
        return
    for queue in silent:
        send_wakeup(queue)
