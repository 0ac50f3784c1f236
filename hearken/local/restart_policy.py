"""Keeping one child alive: noticing that it died, and starting it again after a pause that grows with each death."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from hearken.errors import StartRefused
from hearken.local.guarded_process import CommandNotStarted

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0
HEALTHY_SECONDS = 60.0
"""A child that lived so long has recovered from its earlier deaths."""


@dataclass(slots=True)
class SupervisedChild:
    """A child that `start` starts and whose end `poll` reports as an exit status. `deaths` counts those in a row.

    Where its first life ends with `refusal`, it cannot start at all: it is `refused` and not started again.
    """

    name: str
    start: Callable[[], object]
    poll: Callable[[], int | None]
    refusal: int | None = None
    started: float = 0.0
    deaths: int = 0
    restart_at: float | None = None
    refused: bool = False
    _starts: int = 0

    def begin(self) -> None:
        """Start it for the first time. Raises what `start` raises."""
        self.start()
        self.started = time.monotonic()
        self._starts += 1

    def supervise(self) -> None:
        """Check once: note that it died, or start it again when the pause after that is over."""
        now = time.monotonic()
        if self.refused:
            return
        if self.restart_at is None:
            status = self.poll()
            self.refused = status is not None and status == self.refusal and self._starts == 1
            if status is not None and not self.refused:
                self._note_death(now, f"ended with status {status}")
        elif now >= self.restart_at:
            self.restart_at = None
            try:
                self.begin()
            except (StartRefused, CommandNotStarted) as error:
                self._note_death(now, f"could not be started: {error}")

    def _note_death(self, now: float, how: str) -> None:
        self.deaths = 1 if now - self.started > HEALTHY_SECONDS else self.deaths + 1
        pause = min(FIRST_PAUSE_SECONDS * 2 ** (self.deaths - 1), LONGEST_PAUSE_SECONDS)
        self.restart_at = now + pause
        log.warning("%s %s; starting it again in %.1f s", self.name, how, pause)
