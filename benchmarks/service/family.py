"""The processes of a running stack by what they are: their memory, and their time on the processors."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import psutil

PARTS = ("api", "worker", "beat", "postgres", "redis")
HERE = "benchmark"
"""What a benchmark itself has started, such as the helpers of a worker in its own process."""


def _part_of(process: psutil.Process) -> str:
    """The part of the stack that a process belongs to, by its command or that of a process above it."""
    for each in [process, *process.parents()]:
        words = each.cmdline()
        if "guard_script.py" in str(words):
            return "guards"
        for part in PARTS:
            if part in words or each.name().startswith(part):
                return part
    return HERE


def _members() -> Iterator[tuple[str, psutil.Process]]:
    for process in psutil.Process(os.getpid()).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            yield _part_of(process), process


def megabytes() -> dict[str, float]:
    """Memory of each part, in MB: the pages of its own and its share of those that it shares."""
    found: Counter[str] = Counter()
    for part, process in _members():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            found[part] += process.memory_full_info().pss / 1e6
    return dict(found)


def processor_seconds() -> dict[str, float]:
    """Time that the living processes of each part, and those of their children that ended, have spent on processors."""
    found: Counter[str] = Counter()
    for part, process in _members():
        with suppress(psutil.NoSuchProcess):
            spent = process.cpu_times()
            found[part] += spent.user + spent.system
            if part == "postgres":  # its sessions end before it does
                found[part] += spent.children_user + spent.children_system
    return dict(found)


def spent_between(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """The difference of two `processor_seconds`."""
    return {part: after[part] - before.get(part, 0.0) for part in after}
