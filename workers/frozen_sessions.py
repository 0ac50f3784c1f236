"""Ending sessions of stopped processes, in a thread of the process that sweeps, so that their locks hold nobody up."""

import logging
import time
from typing import Never

from sqlalchemy import Engine

from models.database_errors import from_database, in_one_line
from models.queries.queue.frozen_sessions import WaitingSession, end_session, waiting_sessions
from models.settings import Settings

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
PAUSE_AFTER_FAILURE = 5.0


class FrozenSessions:
    """Which sessions have waited for their client since when, as far as was looked."""

    def __init__(self, idle_seconds: float) -> None:
        self._idle_seconds = idle_seconds
        self._since: dict[WaitingSession, float] = {}

    def look(self, engine: Engine) -> int:
        """Look once, and end those that made no progress for `idle_seconds`; how many."""
        with engine.begin() as connection:
            now, waiting = time.monotonic(), waiting_sessions(connection)
            self._since = {each: self._since.get(each, now) for each in waiting}
            frozen = [each for each, since in self._since.items() if now - since >= self._idle_seconds]
            ended = [each.pid for each in frozen if end_session(connection, each)]
        for pid in ended:
            log.warning("ended the session %d: its process had stopped in the middle of a statement", pid)
        return len(ended)


def end_frozen_sessions(engine: Engine, chosen: Settings) -> Never:
    """Look every `LOOK_SECONDS`, for as long as the process lives."""
    frozen = FrozenSessions(chosen.idle_seconds)
    while True:
        pause = LOOK_SECONDS
        try:
            frozen.look(engine)
        except Exception as error:
            if not from_database(error):
                raise
            log.warning("stopped processes cannot be looked for: %s", in_one_line(error))
            pause = PAUSE_AFTER_FAILURE
        time.sleep(pause)
