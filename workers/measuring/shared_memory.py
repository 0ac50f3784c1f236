"""Large objects for another process: their arrays lie in memory that both have, and are copied once, not thrice."""

import mmap
import os
import pickle
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

ALIGNED = 64
"""Arrays begin at multiples of so many bytes."""
KEPT_BYTES = 2**27
"""A block of more bytes is given back once it was used; smaller ones serve again, since new pages are slow to get."""


class NotSharedError(Exception):
    """Memory cannot be had, or not that of the other process."""


@dataclass(frozen=True, slots=True)
class Shared:
    """An object to be taken by a process of the same machine and user: its pickle, and where its arrays lie.

    `place` is None where the arrays are part of the pickle.
    """

    pickled: bytes
    place: str | None = None
    spans: tuple[tuple[int, int], ...] = ()  # from, to

    def take(self) -> Any:
        """The object, whose arrays are valid until the other process has its block back. Raises NotSharedError."""
        if self.place is None:
            return pickle.loads(self.pickled)
        try:
            descriptor = os.open(self.place, os.O_RDWR)
            try:
                block = memoryview(mmap.mmap(descriptor, self.spans[-1][1]))
            finally:
                os.close(descriptor)
        except OSError as error:
            raise NotSharedError(f"{self.place}: {error}") from None
        return pickle.loads(self.pickled, buffers=[block[low:high] for low, high in self.spans])


class SharedBlocks:
    """Blocks of memory of this process that others may map, each for one object at a time.

    A block whose context ends with an error is not used again: a process that nobody waits for any more may read it.
    """

    def __init__(self) -> None:
        self._free: list[_Block] = []
        self._lock = threading.Lock()

    @contextmanager
    def shared(self, thing: object) -> Iterator[Shared]:
        """The object as it is handed over; who takes it has to be done with it when the context ends without error.

        Raises NotSharedError where no memory is to be had.
        """
        arrays: list[pickle.PickleBuffer] = []
        pickled = pickle.dumps(thing, protocol=5, buffer_callback=arrays.append)
        views = [each.raw() for each in arrays]
        if not hasattr(os, "memfd_create") or not any(map(len, views)):
            yield Shared(pickle.dumps(thing))
            return
        spans, end = [], 0
        for view in views:
            begin = -(-end // ALIGNED) * ALIGNED
            end = begin + len(view)
            spans.append((begin, end))
        with self._block(end) as block:
            for view, (low, high) in zip(views, spans, strict=True):
                block.memory[low:high] = view
            yield Shared(pickled, block.place, tuple(spans))

    def close(self) -> None:
        """Give the memory back."""
        with self._lock:
            while self._free:
                self._free.pop().close()

    @contextmanager
    def _block(self, size: int) -> Iterator["_Block"]:
        block = self._held(size)
        kept = False
        try:
            yield block
            kept = block.size <= KEPT_BYTES
        finally:
            if kept:
                with self._lock:
                    self._free.append(block)
            else:
                block.close()

    def _held(self, size: int) -> "_Block":
        """A block of at least this size that nobody else has."""
        with self._lock:
            block = self._free.pop() if self._free else None
        try:
            block = block or _Block()
            block.hold(size)
        except OSError as error:
            if block is not None:
                block.close()
            raise NotSharedError(f"{size} bytes: {error}") from None
        return block


class _Block:
    """A file in memory that has no name."""

    def __init__(self) -> None:
        self._descriptor = os.memfd_create("hearken", os.MFD_CLOEXEC)
        self.memory = memoryview(b"")
        self.size = 0

    @property
    def place(self) -> str:
        """Where other processes of the user find it."""
        return f"/proc/{os.getpid()}/fd/{self._descriptor}"

    def hold(self, size: int) -> None:
        """Be at least so large."""
        if self.size < size:
            os.ftruncate(self._descriptor, size)
            self.memory = memoryview(mmap.mmap(self._descriptor, size))
            self.size = size

    def close(self) -> None:
        """Give the memory back, as soon as nobody has it mapped."""
        self.memory = memoryview(b"")
        os.close(self._descriptor)
