"""Waiting for what another process or thread will do."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def until(condition: Callable[[], Found], awaited: str, seconds: float = 60.0) -> Found:
    """Poll until the condition gives something true, and return that.

    Raises AssertionError, with what was `awaited`, where that has not come after so many seconds.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {awaited}"
        time.sleep(0.02)
    return found
