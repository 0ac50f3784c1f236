"""Building graphs over stored vectors, in a thread of the process that sweeps: PostgreSQL does the work."""

import logging
import threading

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from models.queries.search.segments import build_due_segments

log = logging.getLogger(__name__)

PAUSE_AFTER_FAILURE = 60.0
"""Seconds; a full disk, say, does not empty sooner."""


class GraphBuilder:
    """Builds what is due every so many seconds, from `start` until the process ends."""

    def __init__(self, engine: Engine, seconds: float, memory_bytes: int) -> None:
        self._engine = engine
        self._seconds = seconds
        self._memory_bytes = memory_bytes
        self._thread = threading.Thread(target=self._run, name="vector graphs", daemon=True)
        self._ended = threading.Event()

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no other round; one that is under way goes on."""
        self._ended.set()

    def _run(self) -> None:
        pause = self._seconds
        while not self._ended.wait(pause):
            pause = self._seconds
            try:
                build_due_segments(self._engine, memory_bytes=self._memory_bytes)
            except SQLAlchemyError as error:
                log.warning("a graph over vectors could not be built, search compares them: %s", error)
                pause = PAUSE_AFTER_FAILURE
