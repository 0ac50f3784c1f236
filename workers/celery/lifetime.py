"""How Celery's processes begin and end: the pool's child does the work, its parent forwards SIGTERM to it."""

import gc
import logging
import os
import signal
import threading
from importlib import import_module
from types import FrameType
from typing import Any

from billiard import active_children  # type: ignore[import-untyped]
from celery.signals import worker_init, worker_process_init, worker_process_shutdown, worker_shutting_down
from celery.worker import state
from sqlalchemy.exc import SQLAlchemyError

from models.queries.queue.outbox import queue_of
from models.settings import load_models_file, settings
from workers.app import send_wakeup
from workers.process import this_process

log = logging.getLogger(__name__)

START_REFUSED = 2
"""Exit status of a worker that could measure under none of its models."""

_USELESS = signal.SIGUSR2
"""What the child tells its parent by."""


@worker_process_init.connect  # type: ignore[untyped-decorator]
def begin(**_: Any) -> None:
    """In the child: register the worker, wake one for the default model, and meanwhile load what measures it."""
    this_process().start()
    send_wakeup(queue_of(load_models_file(settings().models)[0].id))
    threading.Thread(target=load_what_measures, name="loading", daemon=True).start()


def load_what_measures() -> None:
    """Import torch and all that goes with it, which stays: the garbage collector need not look through it."""
    gc.disable()
    try:
        import_module("workers.dispatch")
        gc.freeze()
    finally:
        gc.enable()


@worker_process_shutdown.connect  # type: ignore[untyped-decorator]
def end(**_: Any) -> None:
    """In the child, at the end: remove the worker's row."""
    try:
        this_process().end()
    except SQLAlchemyError as error:
        log.warning("the worker's row stays until the sweeper removes it: %s", error)


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def forward_sigterm(**_: Any) -> None:
    """In the parent, on SIGTERM: a busy child ends its pass and gives the rest back; an idle one ends by itself."""
    if state.active_requests:
        for child in active_children():
            os.kill(child.pid, signal.SIGTERM)


@worker_init.connect  # type: ignore[untyped-decorator]
def listen_to_the_child(**_: Any) -> None:
    """In the parent: end as soon as the child finds that no model can be measured."""

    def end_refused(_signal: int, _frame: FrameType | None) -> None:
        state.should_stop = START_REFUSED

    signal.signal(_USELESS, end_refused)


def end_as_useless() -> None:
    """In the child: end the whole worker with the status `START_REFUSED`, once the task is done."""
    os.kill(os.getppid(), _USELESS)


def was_useless() -> bool:
    """In the parent, after its end: whether that was for want of a model."""
    return bool(state.should_stop == START_REFUSED)
