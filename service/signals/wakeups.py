"""Wake-ups of workers, sent at once after the commit that wrote them, in a thread of their own.

Those that arrive together go as one a queue. One that cannot be sent stays in the outbox for the sweeper.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from models.database_errors import from_database
from models.queries.queue.outbox import Wakeup, delete_wakeups
from service.database import Database

log = logging.getLogger(__name__)


class WakeupSender:
    """Sends wake-ups in the background. `send` tells whether the broker took one."""

    def __init__(self, database: Database, send: Callable[[str], bool]) -> None:
        self._database = database
        self._send = send
        self._pending: dict[str, list[int]] = {}
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="wake-up")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to send."""
        self._task = asyncio.create_task(self._run(), name="wake-up")

    async def close(self) -> None:
        """Stop; what was not sent stays in the outbox."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._thread.shutdown(wait=False, cancel_futures=True)

    def send(self, wakeups: Iterable[Wakeup]) -> None:
        """Send these soon; returns at once."""
        for written in wakeups:
            self._pending.setdefault(written.queue, []).append(written.id)
            self._arrived.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            pending, self._pending = self._pending, {}
            for queue, ids in pending.items():
                if await loop.run_in_executor(self._thread, self._send, queue):
                    try:
                        await self._database.single(delete_wakeups, ids)
                    except Exception as error:
                        if not from_database(error):
                            raise
                        log.warning("a wake-up was sent and stays in the outbox: %s", error)
