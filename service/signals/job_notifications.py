"""Waiting for jobs without holding a connection: one that listens wakes all who wait in this process.

The workers announce every job that they settle, and every inquiry that they answer, by a notification. A notice that
is missed, while the listening connection was away, is made up for by looking every few seconds which of all that is
waited for has ended: one look for everybody, however many wait.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator
from contextlib import aclosing, contextmanager, suppress

import psycopg
from sqlalchemy import make_url

from models.database_errors import from_database, in_one_line
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

    async def changes(
        self, seconds: float, *, pause: float = 0.0, every: float | None = None
    ) -> AsyncGenerator[None, None]:
        """Yield after each notice, until `seconds` have passed; a last time then.

        `pause` is the least time between two yields, and `every` the most, where it is given.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while (remaining := deadline - loop.time()) > 0 and not self._stopping.is_set():
            if pause:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), min(pause, remaining))
            remaining = max(0.0, deadline - loop.time())
            with suppress(TimeoutError):
                await asyncio.wait_for(self.changed.wait(), remaining if every is None else min(every, remaining))
            self.changed.clear()
            yield


class Watcher:
    """Wakes waiters when the job or inquiry whose id they wait for may have changed.

    `look` gives those of some ids that nothing more is to be waited for.
    """

    def __init__(self, chosen: Settings, look: Callable[[list[str]], Awaitable[Collection[str]]]) -> None:
        address = make_url(chosen.database_url).set(drivername="postgresql")
        self._address = address.render_as_string(hide_password=False)
        self._session = connect_arguments(chosen, "api listening", patience=5)
        self._watching: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._look = look
        self._tasks: list[asyncio.Task[None]] = []
        self.stopping = asyncio.Event()

    def start(self) -> None:
        """Begin to listen."""
        self._tasks = [
            asyncio.create_task(self._listen(), name="listen for jobs"),
            asyncio.create_task(self._look_every_so_often(), name="look again for jobs"),
        ]

    def stop_waiting(self) -> None:
        """Wake every waiter and let nobody wait any more: requests are then answered with the present state."""
        self.stopping.set()
        self._wake_all()

    async def close(self) -> None:
        """Stop listening."""
        self.stop_waiting()
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

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

    async def changes(
        self, name: str, seconds: float, *, pause: float = 0.0, every: float | None = None
    ) -> AsyncGenerator[None, None]:
        """Yield now, and then as a watch of `name` does: what is read at the first yield cannot be older than it."""
        with self.watch(name) as watch:
            yield
            async with aclosing(watch.changes(seconds, pause=pause, every=every)) as changes:
                async for _ in changes:
                    yield

    async def _listen(self) -> None:
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(self._address, autocommit=True, **self._session)
                async with connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    await self._look_again()
                    async for notice in connection.notifies():
                        self._wake([notice.payload])
            except psycopg.Error as error:
                log.warning("not listening for jobs, trying again: %s", in_one_line(error, None))
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _look_every_so_often(self) -> None:
        while True:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            await self._look_again()

    async def _look_again(self) -> None:
        """Wake those who wait for what has ended; where the database does not answer, everybody is to find that out."""
        if not self._watching:
            return
        try:
            self._wake(await self._look([*self._watching]))
        except Exception as error:
            if not from_database(error):
                raise
            log.warning("could not look again for jobs: %s", in_one_line(error, None))
            self._wake_all()

    def _wake_all(self) -> None:
        self._wake([*self._watching])

    def _wake(self, names: Collection[str]) -> None:
        for name in names:
            for event in self._watching.get(name, ()):
                event.set()
