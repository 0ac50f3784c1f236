"""Work beside the thread that feeds a device: one piece is prepared ahead of it, and a bounded number finished behind.

Where the device is the processor itself, work beside it would only take from it, and each piece has its own turn.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Protocol, TypeVar

Prepared = TypeVar("Prepared")
Found = TypeVar("Found")
T = TypeVar("T")


class Pipeline(Protocol):
    """Where the calls before and after the device's run."""

    @property
    def overlaps(self) -> bool:
        """Whether they run while the device does."""

    def ahead(self, call: Callable[[], T]) -> Callable[[], T]:
        """Have this called, now or when its result is asked for, which what is returned does."""

    def behind(self, call: Callable[[], object]) -> None:
        """Have this called. Raises what an earlier call raised."""

    def drain(self) -> None:
        """Wait until every call behind has ended. Raises what one raised."""

    def close(self) -> None:
        """Wait until nothing runs any more, whatever it raised."""


class TurnByTurn:
    """Each call when its turn comes, in the one thread."""

    overlaps = False

    def ahead(self, call: Callable[[], T]) -> Callable[[], T]:
        """See `Pipeline`."""
        return call

    def behind(self, call: Callable[[], object]) -> None:
        """See `Pipeline`."""
        call()

    def drain(self) -> None:
        """See `Pipeline`."""

    def close(self) -> None:
        """See `Pipeline`."""


class SideBySide:
    """One call ahead, and at most `most_behind` behind, in threads of their own."""

    overlaps = True

    def __init__(self, most_behind: int = 1) -> None:
        self._most_behind = most_behind
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        self._behind = ThreadPoolExecutor(most_behind, thread_name_prefix="behind")
        self._ending: deque[Future[object]] = deque()

    def ahead(self, call: Callable[[], T]) -> Callable[[], T]:
        """See `Pipeline`."""
        return self._ahead.submit(call).result

    def behind(self, call: Callable[[], object]) -> None:
        """See `Pipeline`; waits while as many run as may."""
        while len(self._ending) >= self._most_behind:
            self._ending.popleft().result()
        self._ending.append(self._behind.submit(call))

    def drain(self) -> None:
        """See `Pipeline`."""
        while self._ending:
            self._ending.popleft().result()

    def close(self) -> None:
        """See `Pipeline`."""
        self._ahead.shutdown()
        self._behind.shutdown()


def prepared_ahead(
    pipeline: Pipeline, prepare: Callable[[], Prepared | None], *, alone: Callable[[Prepared], bool]
) -> Iterator[Prepared]:
    """What `prepare` gives until it gives None, each while the one before it is worked at.

    What is to be `alone` is given when everything before it has ended, and nothing is prepared meanwhile.
    """
    upcoming = pipeline.ahead(prepare)
    while (prepared := upcoming()) is not None:
        if alone(prepared):
            pipeline.drain()
            yield prepared
            pipeline.drain()
            upcoming = pipeline.ahead(prepare)
        else:
            upcoming = pipeline.ahead(prepare)
            yield prepared


def run(pipeline: Pipeline, found: Iterable[Found], finish: Callable[[Found], object]) -> None:
    """Finish what is found, each behind the one after it. Raises what any of the stages raises."""
    for each in found:
        pipeline.behind(partial(finish, each))
    pipeline.drain()
