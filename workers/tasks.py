"""The two tasks: answering a wake-up, and sweeping. Imports no torch until a wake-up comes."""

from models.queries.queue.outbox import model_of
from workers.app import ANSWER, SWEEP, app, send_wakeup
from workers.celery.lifetime import end_as_useless  # the import also connects the signals of a worker's start and end
from workers.database import engine
from workers.outbox import send_wakeups
from workers.process import this_process
from workers.sweeper import sweep as sweep_once


@app.task(name=ANSWER)  # type: ignore[untyped-decorator]
def answer(queue: str) -> None:
    """Do one claim of the queue's work, if there is any, and send the wake-ups that this writes."""
    with this_process().busy() as process:
        if process.stopping:
            send_wakeup(queue)  # for another worker, or for this one when it has started again
            return
        from workers.dispatch import this_dispatcher

        try:
            model_id = model_of(queue)
            if model_id is None:
                this_dispatcher().answer_summaries()
            else:
                this_dispatcher().answer_model(model_id)
                if this_dispatcher().useless:
                    this_dispatcher().fail_what_waits()
                    end_as_useless()
        finally:
            send_wakeups(engine())


@app.task(name=SWEEP)  # type: ignore[untyped-decorator]
def sweep() -> None:
    """Run the sweeper once."""
    sweep_once(engine())
