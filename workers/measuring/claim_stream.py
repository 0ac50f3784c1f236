"""Claims of one model one after the other: the next is rendered and the last stored while the device has this one."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from attention.errors import ModelRefused
from attention.measure.analysis import PendingAnalysis
from models.database_errors import StatementTimedOut, database_is_away
from models.queries.queue.claims import fail_items
from workers.measuring.claim_run import ClaimRun
from workers.measuring.pipeline import Pipeline, prepared_ahead, run
from workers.measuring.rendering import UNEXPECTED, RenderedItem
from workers.measuring.storing import StoreOrder, parts_of

log = logging.getLogger(__name__)

CHECK_SECONDS = 0.1
"""Where passes are shorter, this is how often a stream looks for more urgent work and for what is cancelled."""


@dataclass(slots=True)
class _OnDevice:
    """A group whose passes are queued."""

    run: ClaimRun
    group: list[RenderedItem]
    pending: PendingAnalysis | None


class ClaimStream:
    """Runs what `claim` gives until it gives None. Nothing of any claim is left held when `run` returns or raises."""

    def __init__(self, pipeline: Pipeline, claim: Callable[[], ClaimRun | None]) -> None:
        self._pipeline = pipeline
        self._claim = claim
        self._runs: list[ClaimRun] = []
        self._on_device: _OnDevice | None = None
        self._device_free = 0.0
        self._checked = time.monotonic()

    def run(self) -> None:
        """Measure and store. Raises only database errors; every other failure is stored with its items."""
        try:
            run(self._pipeline, self._measured(), lambda made: self._store(*made))
        finally:
            self._pipeline.close()
            self._end(self._runs)

    def _next(self) -> ClaimRun | None:
        """The next claim; one that nothing else may be at stake with is rendered when its turn has come."""
        claimed = self._claim()
        if claimed is not None:
            self._runs.append(claimed)
            if not claimed.alone:
                self._prepare(claimed)
        return claimed

    def _prepare(self, claimed: ClaimRun) -> None:
        known = claimed.prepare()
        if known is not None:
            self._store(claimed, known)

    def _measured(self) -> Iterator[tuple[ClaimRun, StoreOrder]]:
        """What the device makes of every claim, to be stored."""
        for number, claimed in enumerate(prepared_ahead(self._pipeline, self._next, alone=lambda each: each.alone)):
            try:
                if claimed.alone:
                    yield from self._finished()
                    self._pipeline.drain()
                    self._prepare(claimed)
                if number and not self._pipeline.overlaps:
                    claimed.checkpoint()
                for group in claimed.groups():
                    yield from self._one_group(claimed, group)
                if claimed.alone:
                    yield from self._finished()
            except ModelRefused as refusal:
                claimed.models.refuse(claimed.loaded.model_id, refusal)
                claimed.fail(list(claimed.open.values()), (refusal.code, str(refusal)))
                return
            self._end([each for each in self._runs if each.settled])
        yield from self._finished()

    def _one_group(self, claimed: ClaimRun, group: list[RenderedItem]) -> Iterator[tuple[ClaimRun, StoreOrder]]:
        """Measure a group, or give it to the device and take from it the group before."""
        long = len(group) == 1 and sum(map(len, group[0].rendered.all_windows)) > claimed.budget
        if self._pipeline.overlaps and not long:
            queued = _OnDevice(claimed, group, claimed.begin(group))
            yield from self._finished()
            self._on_device = queued
            if time.monotonic() - self._checked >= CHECK_SECONDS:
                yield from self._finished()
                claimed.checkpoint()
                self._checked = time.monotonic()
        else:
            yield from self._finished()
            yield from ((claimed, order) for order in claimed.measure(group))
            if claimed.waiting:
                claimed.checkpoint()

    def _finished(self) -> Iterator[tuple[ClaimRun, StoreOrder]]:
        """What the device has made of the group that it was given last."""
        if self._on_device is not None:
            done, self._on_device = self._on_device, None
            for order in done.run.finish(done.group, done.pending, self._device_free):
                self._device_free = time.perf_counter()
                yield done.run, order

    def _end(self, runs: Sequence[ClaimRun]) -> None:
        """Let go of claims; raises the last error of those that could not be given back."""
        failure: Exception | None = None
        for each in [*runs]:
            self._runs.remove(each)
            try:
                each.end()
            except Exception as error:
                failure = error
        if failure is not None:
            raise failure

    def _store(self, claimed: ClaimRun, order: StoreOrder) -> None:
        """Store what was found; where that fails, each document alone, so that only the culprit fails.

        Raises what says that the database is away, which is no document's fault. A store that takes too long is a
        document's where it is alone, and the database stores others.
        """
        try:
            claimed.helpers.store(order)
        except Exception as error:
            too_long = isinstance(error, StatementTimedOut)
            if database_is_away(error) and not too_long:
                raise
            parts = parts_of(order)
            if len(parts) > 1:
                log.warning("storing %d documents failed, each is stored alone: %r", len(parts), error)
                for part in parts:
                    self._store(claimed, part)
                return
            if too_long:
                if not claimed.give_back_timed_out(order):
                    raise
                return
            items = [each.item for each in order.items]
            log.exception("item=%d of job=%s could not be stored", items[0].id, items[0].job_id)
            with claimed.engine.begin() as connection:
                fail_items(connection, order.token, {item.id: UNEXPECTED for item in items})
        claimed.stored(order)
