"""The sweeper's clock: Celery's beat, running its entries in its own process.

A sweep sent as a message would wait for a worker's long pass, or be lost with the broker, whose loss it is there to
repair. So beat needs the database only.
"""

import logging
from threading import Thread
from typing import Any

from celery.beat import ScheduleEntry, Scheduler
from celery.signals import beat_init

from models.settings import settings
from workers.database import engine
from workers.frozen_sessions import end_frozen_sessions
from workers.vector_graphs import build_graphs

log = logging.getLogger(__name__)


class InProcessScheduler(Scheduler):  # type: ignore[misc]
    """Runs each due task in this process; keeps no schedule file, since a sweep at every start does no harm."""

    producer = None

    def setup_schedule(self) -> None:
        """Load the tasks themselves, which a beat that only sends messages would not need."""
        self.app.loader.import_default_modules()
        self.app.finalize()
        super().setup_schedule()

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:  # noqa: ARG002 - Celery's signature
        """Run one due task. A sweep that fails is logged, and the next one tries again."""
        try:
            self.app.tasks[entry.task](*entry.args, **entry.kwargs)
        except Exception:
            log.exception("the task %s failed; it runs again in %s", entry.task, entry.schedule)


@beat_init.connect  # type: ignore[untyped-decorator]
def begin_threads(**_: Any) -> None:
    """Beside the sweeps: what the workers store is made fast to search, and stopped processes hold nobody up."""
    for work in (build_graphs, end_frozen_sessions):
        Thread(target=work, args=(engine(), settings()), name=work.__name__, daemon=True).start()
