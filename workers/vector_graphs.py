"""Building graphs over stored vectors, in a thread of the process that sweeps: PostgreSQL does the work."""

import logging
import time
from typing import Never

from sqlalchemy import Engine

from models.database_errors import from_database
from models.queries.search.segments import build_due_segments
from models.settings import Settings

log = logging.getLogger(__name__)

PAUSE_AFTER_FAILURE = 60.0
"""Seconds; a full disk, say, does not empty sooner."""


def build_graphs(engine: Engine, chosen: Settings) -> Never:
    """Build what is due after every `sweep_seconds`, for as long as the process lives."""
    pause = chosen.sweep_seconds
    while True:
        time.sleep(pause)
        pause = chosen.sweep_seconds
        try:
            build_due_segments(engine, memory_bytes=chosen.graph_memory_bytes)
        except Exception as error:
            if not from_database(error):
                raise
            log.warning("a graph over vectors could not be built, search compares them: %s", error)
            pause = PAUSE_AFTER_FAILURE
