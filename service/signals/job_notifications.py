"""Waiting for jobs without holding a connection: one that listens wakes all who wait in this process.

The workers announce every job that they settle, and every inquiry that they answer, by a notification. A
notice that is missed, while the listening connection was away, is made up for by looking again every few seconds.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager, suppress

import psycopg
from sqlalchemy import make_url

from models.database_errors import in_one_line
from models.queries.queue.notifications import CHANNEL
from models.session_limits import connect_arguments
from models.settings import Settings

LOOK_AGAIN_SECONDS = 2.0
RECONNECT_SECONDS = 1.0

log = logging.getLogger(__name__)


class Watch:
    """A watch for notices of one job or inquiry."""

    def __init__(self, stopping: asyncio.Event) -> None:
        self.changed = asyncio.Event()
        self._stopping = stopping

    async def changes(self, seconds: float, *, pause: float = 0.0) -> AsyncGenerator[None, None]:
        """Yield after each notice and every few seconds, until `seconds` have passed; a last time then.

        `pause` is the least time between two yields.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while (remaining := deadline - loop.time()) > 0 and not self._stopping.is_set():
            if pause:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), min(pause, remaining))
            with suppress(TimeoutError):
                await asyncio.wait_for(self.changed.wait(), min(LOOK_AGAIN_SECONDS, max(0.0, deadline - loop.time())))
            self.changed.clear()
            yield


class Watcher:
    """Wakes waiters when the job or inquiry whose id they wait for may have changed."""

    def __init__(self, chosen: Settings) -> None:
        address = make_url(chosen.database_url).set(drivername="postgresql")
        self._address = address.render_as_string(hide_password=False)
        self._session = connect_arguments(chosen, "api listening", patience=5)
        self._watching: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None
        self.stopping = asyncio.Event()

    def start(self) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._listen(), name="listen for jobs")

    def stop_waiting(self) -> None:
        """Wake every waiter and let nobody wait any more: requests are then answered with the present state."""
        self.stopping.set()
        self._wake_all()

    async def close(self) -> None:
        """Stop listening."""
        self.stop_waiting()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    @property
    def waiting(self) -> int:
        """How many waiters there are."""
        return sum(len(events) for events in self._watching.values())

    @contextmanager
    def watch(self, name: str) -> Iterator["Watch"]:
        """Watch for notices of `name` from now on: what changes later is not missed, however late `changes` begins."""
        watch = Watch(self.stopping)
        self._watching[name].add(watch.changed)
        try:
            yield watch
        finally:
            self._watching[name].discard(watch.changed)
            if not self._watching[name]:
                del self._watching[name]

    async def changes(self, name: str, seconds: float, *, pause: float = 0.0) -> AsyncGenerator[None, None]:
        """Yield now, and then as a watch of `name` does: what is read at the first yield cannot be older than it."""
        with self.watch(name) as watch:
            yield
            async with aclosing(watch.changes(seconds, pause=pause)) as changes:
                async for _ in changes:
                    yield

    async def _listen(self) -> None:
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(self._address, autocommit=True, **self._session)
                async with connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    self._wake_all()
                    async for notice in connection.notifies():
                        for event in self._watching.get(notice.payload, ()):
                            event.set()
            except psycopg.Error as error:
                log.warning("not listening for jobs, trying again: %s", in_one_line(error, None))
            await asyncio.sleep(RECONNECT_SECONDS)

    def _wake_all(self) -> None:
        for events in list(self._watching.values()):
            for event in events:
                event.set()
