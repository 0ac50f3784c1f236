"""Processes beside a worker that render and store for it, so that its own interpreter is left to the device."""

import logging
import os
import pickle
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from itertools import pairwise
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import Protocol
from weakref import WeakKeyDictionary

from sqlalchemy import Engine

from attention.model.model import Model
from attention.text.tokens import FastTokenizer
from workers.database import engine as own_engine
from workers.measuring.rendering import ModelReader, ReadDocument, Unreadable, Work, read_documents
from workers.measuring.shared_memory import NotSharedError, Shared, SharedBlocks
from workers.measuring.storing import StoreOrder, store

log = logging.getLogger(__name__)

SMALLEST_SHARE = 16
"""Documents that are worth a helper's while."""


class Helpers(Protocol):
    """Who renders and stores."""

    @property
    def count(self) -> int:
        """How many processes; none where the worker does it itself."""

    def read(self, model: Model, works: Sequence[Work]) -> list[ReadDocument | Unreadable]:
        """As `read_documents`."""

    def store(self, order: StoreOrder) -> None:
        """As `store`."""


class NoHelpers:
    """The worker renders and stores itself."""

    count = 0

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read(self, model: Model, works: Sequence[Work]) -> list[ReadDocument | Unreadable]:
        """See `Helpers`."""
        return read_documents(ModelReader.of(model), works)

    def store(self, order: StoreOrder) -> None:
        """See `Helpers`."""
        store(self._engine, order)


class HelperProcesses:
    """So many processes, started with the first work. Each has a connection to the database, and ends with the worker.

    A process that dies takes nothing along: its work is done here, where a document that kills a process is found out
    as always, and others take its place.
    """

    def __init__(self, count: int, engine: Engine) -> None:
        self.count = count
        self._own = NoHelpers(engine)
        self._pool: ProcessPoolExecutor | None = None
        self._lock = threading.Lock()
        self._readers = tempfile.TemporaryDirectory(prefix="hearken-readers-")
        self._known: WeakKeyDictionary[FastTokenizer, Path] = WeakKeyDictionary()
        self._written = 0
        self._blocks = SharedBlocks()

    def read(self, model: Model, works: Sequence[Work]) -> list[ReadDocument | Unreadable]:
        """See `Helpers`; the documents are shared among the processes."""
        shares = max(1, min(self.count, len(works) // SMALLEST_SHARE))
        place = self._reader(model)
        cuts = [number * len(works) // shares for number in range(shares + 1)]
        pool = self._processes()
        try:
            futures = [pool.submit(_read_at, place, works[a:b]) for a, b in pairwise(cuts)]
            return [each for future in futures for each in future.result()]
        except BrokenProcessPool:
            self._replace(pool)
            return self._own.read(model, works)

    def store(self, order: StoreOrder) -> None:
        """See `Helpers`."""
        pool = self._processes()
        try:
            with self._blocks.shared(order) as shared:
                pool.submit(_store, shared).result()
        except BrokenProcessPool:
            self._replace(pool)
            self._own.store(order)
        except NotSharedError as error:
            log.warning("a helper cannot have what it is to store, the worker stores it itself: %s", error)
            self._own.store(order)

    def close(self) -> None:
        """End the processes."""
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)
                self._pool = None
        self._blocks.close()
        self._readers.cleanup()

    def _processes(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ProcessPoolExecutor(self.count, mp_context=get_context("spawn"), initializer=_begin)
            return self._pool

    def _replace(self, broken: ProcessPoolExecutor) -> None:
        with self._lock:
            if self._pool is broken:
                self._pool = None
        broken.shutdown(wait=False, cancel_futures=True)

    def _reader(self, model: Model) -> Path:
        """Where a model's reader is written down for the processes, in a folder that is this worker's own."""
        with self._lock:
            place = self._known.get(model.tokenizer)
            if place is None:
                self._written += 1
                place = Path(self._readers.name) / f"{self._written}.reader"
                place.write_bytes(pickle.dumps(ModelReader.of(model)))
                self._known[model.tokenizer] = place
            return place


def _begin() -> None:
    """In a helper: end when the worker has ended, however it did."""
    worker = parent_process()
    assert worker is not None

    def end_with(sentinel: int) -> None:
        wait([sentinel])
        os._exit(0)

    threading.Thread(target=end_with, args=(worker.sentinel,), daemon=True).start()


@lru_cache(maxsize=8)
def _reader_at(place: Path) -> ModelReader:
    """What this process's own worker has written down."""
    reader: ModelReader = pickle.loads(place.read_bytes())
    return reader


def _read_at(place: Path, works: Sequence[Work]) -> list[ReadDocument | Unreadable]:
    return read_documents(_reader_at(place), works)


def _store(shared: Shared) -> None:
    store(own_engine(), shared.take())
