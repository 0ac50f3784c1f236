"""The two tasks: answering a wake-up, and sweeping. Imports no torch, which is loaded beside a worker's start."""

import logging

from models.database_errors import database_is_away, in_one_line, over_own_limit
from models.queries.queue.outbox import model_of
from workers.app import ANSWER, SWEEP, app, send_wakeup
from workers.celery.lifetime import end_as_useless  # the import also connects the signals of a worker's start and end
from workers.database import engine
from workers.outbox import send_wakeups
from workers.process import WorkerProcess, this_process
from workers.sweeper import sweep as sweep_once

log = logging.getLogger(__name__)

AWAY_SECONDS = 2.0
"""A pause after the database was away, so that the same work is not measured over and over until it is back."""


@app.task(name=ANSWER)  # type: ignore[untyped-decorator]
def answer(queue: str) -> None:
    """Do one claim of the queue's work, if there is any, and send the wake-ups that this writes.

    Where the database is away, what was claimed is in the queue again. Where a limit of ours was met it is gone on with
    at once; else after a pause, and when the sweeper wakes a worker.
    """
    with this_process().busy() as process:
        if process.stopping:
            send_wakeup(queue)  # for another worker, or for this one when it has started again
            return
        try:
            _answer(process, model_of(queue))
        except Exception as error:
            if not database_is_away(error):
                send_wakeups(engine())
                raise
            log.warning("the database is away, work was given back: %s", in_one_line(error, 500))
            if over_own_limit(error):
                send_wakeups(engine())
            else:
                process.pause(AWAY_SECONDS)
        else:
            send_wakeups(engine())


def _answer(process: WorkerProcess, model_id: str | None) -> None:
    with process.loading():
        from workers.dispatch import this_dispatcher

    if model_id is None:
        this_dispatcher().answer_summaries()
        return
    this_dispatcher().answer_model(model_id)
    if this_dispatcher().useless:
        this_dispatcher().fail_what_waits()
        end_as_useless()


@app.task(name=SWEEP)  # type: ignore[untyped-decorator]
def sweep() -> None:
    """Run the sweeper once."""
    sweep_once(engine())
