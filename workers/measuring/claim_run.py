"""One claim: its documents are rendered, measured in groups of one pass, and handed over to be stored.

Between two passes more urgent work may preempt it, cancelled items are dropped, and a worker that was asked to end puts
the rest back into the queue.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import torch
from sqlalchemy import Engine

from attention.errors import CaptureFailed, HearkenError, Interrupted, ModelRefused
from attention.measure.analysis import FoundPasses, PendingAnalysis, begin_analysis, measure_passes
from attention.measure.capture import CaptureOptions
from attention.measure.grouping import padding_of, pass_sized_groups
from attention.text.documents import Rendered
from models.database_errors import from_database
from models.queries.queue.cancellation import cancel_jobs
from models.queries.queue.claims import Claim, ClaimedItem, cancel_items, claim_status, fail_items, give_back
from models.queries.queue.store_timeouts import give_back_timed_out
from models.queries.writing.storing import known_measurements
from models.settings import settings
from models.tables import INTERACTIVE
from workers.database import alone, insist
from workers.measuring.documents import of_ordinary_words
from workers.measuring.helpers import Helpers
from workers.measuring.model_registry import LoadedModel, ModelRegistry
from workers.measuring.rendering import UNEXPECTED, RenderedItem, Unreadable, without_duplicates
from workers.measuring.storing import StoreOrder, items_to_store

log = logging.getLogger(__name__)

FLOW_TURNS = 2048
"""Conversations of more turns are stored without their flow, whose size grows with the square of the turns."""

OUT_OF_MEMORY = (
    "out-of-memory",
    "One window of this document does not fit into the worker's memory. Send it to a model with a shorter context, or "
    "ask the operator for a smaller max_tokens in the models file.",
)


class Worker(Protocol):
    """What a run needs of the worker that it runs in."""

    @property
    def stopping(self) -> bool:
        """Whether the worker has been asked to end."""

    def allow_preemption(self, priority: int, besides: frozenset[str] = frozenset()) -> None:
        """Do the waiting work that is more urgent than this priority; that of the tenants `besides` waits its turn."""


class ClaimRun:
    """One claim under one model: `prepare`, then `groups` of what is to be measured, each by `measure`.

    Or by `begin` and later `finish`, so that the device has the next group before the last one is taken from it. What
    is measured is handed over as a `StoreOrder`, and `stored` is to be told when it is; `end` gives back what is left.
    Raises errors of the database, which no document is charged with, and ModelRefused; every other failure is stored
    with its items. `on_end` is called last.
    """

    def __init__(
        self,
        engine: Engine,
        models: ModelRegistry,
        loaded: LoadedModel,
        claim: Claim,
        worker: Worker,
        helpers: Helpers,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self.engine = engine
        self.models = models
        self.loaded = loaded
        self.claim = claim
        self.worker = worker
        self.helpers = helpers
        self.priority = max(item.priority for item in claim.items)
        self.open: dict[int, ClaimedItem] = {item.id: item for item in claim.items}
        self.waiting: list[RenderedItem] = []
        self.handed_over: set[int] = set()
        self._on_end = on_end

    @property
    def budget(self) -> int:
        """Padded tokens that a pass may have."""
        return self.models.budgets[self.loaded.model_id]

    @property
    def alone(self) -> bool:
        """Whether an item of it lost its worker before, so that nothing else may be at stake."""
        return any(item.alone for item in self.claim.items)

    @property
    def settled(self) -> bool:
        """Whether nothing of it is left to be measured or stored."""
        return not self.open and not self.handed_over

    def prepare(self) -> StoreOrder | None:
        """Render every item; those that cannot be read fail. What is to be stored of those that are known."""
        if self.alone or any(item.unwanted for item in self.open.values()):  # else it was claimed just now
            self.drop_unwanted()
        items = list(self.open.values())
        found = self.helpers.read(self.loaded.model, [(item.content, item.options) for item in items])
        readable = []
        for item, read in zip(items, found, strict=True):
            if isinstance(read, Unreadable):
                if read.trace is not None:
                    log.error("item=%d of job=%s could not be rendered\n%s", item.id, item.job_id, read.trace)
                self.fail([item], read.why)
            else:
                readable.append((item, read))
        entries = without_duplicates(readable)
        with alone(self.engine).connect() as connection:
            known = known_measurements(connection, [entry.key for entry in entries])
        self.waiting = [entry for entry in entries if entry.key not in known]
        return self._order([entry for entry in entries if entry.key in known], None) if known else None

    def groups(self) -> Iterator[list[RenderedItem]]:
        """What is measured together next, as long as something waits: as much as fits into one pass."""
        while self.waiting and not self.worker.stopping:
            group = self._grouped(self.waiting)[0]
            taken = {id(entry) for entry in group}
            self.waiting = [entry for entry in self.waiting if id(entry) not in taken]
            yield group

    def _grouped(self, entries: Sequence[RenderedItem]) -> list[list[RenderedItem]]:
        """Documents that fit into one pass and of which the same is kept, longest windows first."""
        lengths = [[len(window) for window in entry.rendered.all_windows] for entry in entries]
        groups: list[list[RenderedItem]] = []
        for indices in pass_sized_groups(lengths, self.budget):
            by_options: dict[CaptureOptions, list[RenderedItem]] = {}
            for index in indices:
                by_options.setdefault(options_of(entries[index]), []).append(entries[index])
            groups += by_options.values()
        return groups

    def begin(self, group: list[RenderedItem]) -> PendingAnalysis | None:
        """Queue the passes over a group, without waiting for the device. None where they failed: `measure` it then.

        Raises ModelRefused. A document of many passes is not for this.
        """
        try:
            return begin_analysis(
                self.loaded.model,
                [entry.rendered for entry in group],
                token_budget=self.budget,
                options=options_of(group[0]),
            )
        except ModelRefused:
            raise
        except Exception as error:
            log.warning("a pass of %d documents could not begin: %r", len(group), error)
            return None

    def finish(
        self, group: list[RenderedItem], pending: PendingAnalysis | None, not_before: float = 0.0
    ) -> Iterator[StoreOrder]:
        """What a group gave that was begun; where it failed, as `measure`. `not_before` as in `PendingAnalysis`."""
        if pending is not None:
            try:
                found = pending.finish(not_before)
            except ModelRefused:
                raise
            except Exception as error:
                log.warning("a pass of %d documents failed: %r", len(group), error)
            else:
                self._log_pass(group, found)
                yield self._order(group, found)
                return
        yield from self.measure(group)

    def measure(self, group: list[RenderedItem]) -> Iterator[StoreOrder]:
        """Measure a group and wait for it; if it fails, each of its documents alone, so that only the culprit fails."""
        try:
            found = self._passes(group)
        except torch.OutOfMemoryError:
            for smaller in self._grouped(self._after_running_out(group)):
                yield from self.measure(smaller)
        except ModelRefused:
            raise
        except Interrupted:
            return  # what was cancelled or is to be given back is dealt with at the next checkpoint
        except Exception as error:
            if from_database(error):  # by what is done between passes
                raise
            if len(group) > 1:
                log.warning("a pass of %d documents failed, each is measured alone: %r", len(group), error)
                for entry in group:
                    if not self.worker.stopping:
                        yield from self.measure([entry])
            elif isinstance(error, HearkenError):
                self.fail([one.item for one in group[0].all], (error.code, str(error)))
            else:
                log.exception("item=%d of job=%s failed", group[0].item.id, group[0].item.job_id)
                self._refuse_if_it_fails_on_any_text(group[0].rendered)
                self.fail([one.item for one in group[0].all], UNEXPECTED)
        else:
            yield self._order(group, found)

    def _passes(self, group: list[RenderedItem]) -> FoundPasses:
        found = measure_passes(
            self.loaded.model,
            [entry.rendered for entry in group],
            token_budget=self.budget,
            options=options_of(group[0]),
            between_passes=self._between_passes([one.item for entry in group for one in entry.all]),
        )
        self._log_pass(group, found)
        return found

    def _log_pass(self, group: Sequence[RenderedItem], found: FoundPasses) -> None:
        items = [one.item for entry in group for one in entry.all]
        lengths = [len(window) for entry in group for window in entry.rendered.all_windows]
        log.info(
            "pass model=%s documents=%d jobs=%d tenants=%d passes=%d windows=%d tokens=%d padded=%.1f%% ms=%.0f",
            self.loaded.model_id,
            len(group),
            len({item.job_id for item in items}),
            len({item.tenant_id for item in items}),
            len(found.passes),
            len(lengths),
            sum(lengths),
            100 * padding_of(found.passes, lengths),
            sum(found.milliseconds),
        )

    def _after_running_out(self, group: list[RenderedItem]) -> list[RenderedItem]:
        """Halve the budget from now on; a window that does not fit by itself fails its document."""
        torch.cuda.empty_cache()
        widest = max(len(window) for entry in group for window in entry.rendered.all_windows)
        if self.budget <= widest:
            self.fail([one.item for entry in group for one in entry.all], OUT_OF_MEMORY)
            return []
        self.models.budgets[self.loaded.model_id] = max(self.budget // 2, widest)
        log.warning(
            "out of memory: model=%s passes from now on have %d tokens at most",
            self.loaded.model_id,
            self.budget,
        )
        return group

    def _refuse_if_it_fails_on_any_text(self, rendered: Rendered) -> None:
        """Raise CaptureFailed where the model fails on an ordinary text as well: then no document is to blame."""
        try:
            measure_passes(
                self.loaded.model, [of_ordinary_words(self.loaded.model, rendered)], token_budget=self.budget
            ).measurements()
        except Exception as error:  # whatever it is, the document did not cause it
            model = self.loaded.model
            raise CaptureFailed(
                f"{self.loaded.model_id} ({model.facts.architecture}) fails on a text of {rendered.tokens} "
                f"tokens, whatever it says ({type(error).__name__}: {error})"
            ) from error

    def _between_passes(self, items: list[ClaimedItem]) -> Callable[[], None]:
        """For a document of many passes: raises Interrupted when nobody wants it any more, or the worker is to end."""

        def between() -> None:
            self.checkpoint(long=True)
            if self.worker.stopping:
                raise Interrupted("the worker is to end")
            if not any(item.id in self.open for item in items):
                raise Interrupted("nobody wants the document any more")

        return between

    def _order(self, entries: Sequence[RenderedItem], found: FoundPasses | None) -> StoreOrder:
        """What is to be stored of these documents, whose items are no longer open from now on."""
        items = items_to_store(entries, self.open, measured=found is not None)
        for each in items:
            self.handed_over.add(each.item.id)  # first, so that no other thread finds the claim settled between
            del self.open[each.item.id]
        loaded = self.loaded
        return StoreOrder(self.claim.token, self.claim.model_id, loaded.version_key, loaded.scale, items, found)

    def stored(self, order: StoreOrder) -> None:
        """An order was carried out, or its items failed or were given back."""
        self.handed_over.difference_update(each.item.id for each in order.items)

    def give_back_timed_out(self, order: StoreOrder) -> bool:
        """Storing one document alone took too long: see `store_timeouts.give_back_timed_out`."""
        items = [each.item for each in order.items]
        log.warning("item=%d of job=%s took too long to store", items[0].id, items[0].job_id)
        with self.engine.begin() as connection:
            allowed = settings().timeouts_alone
            blamed = give_back_timed_out(connection, order.token, [item.id for item in items], allowed=allowed)
        self.stored(order)
        return blamed

    def fail(self, items: list[ClaimedItem], why: tuple[str, str]) -> None:
        """Store why open items of the claim failed."""
        failed = [item.id for item in items if item.id in self.open]
        with self.engine.begin() as connection:
            fail_items(connection, self.claim.token, dict.fromkeys(failed, why))
        for item in failed:
            del self.open[item]

    def end(self) -> None:
        """Queue again whatever of the claim is neither stored nor failed, and let go of it."""
        token, left = self.claim.token, [*self.open, *self.handed_over]
        try:
            if left:
                insist(self.engine, lambda c: give_back(c, token, left), stopping=lambda: self.worker.stopping)
        finally:
            self._on_end()

    def checkpoint(self, *, long: bool = False) -> None:
        """Between two passes: let more urgent work preempt this claim, then drop what is cancelled or lost.

        Documents that somebody waits for and that take one pass each are preempted by other tenants' alone: a tenant's
        own that came later would overtake them again and again. Only a `long` one makes way for them.
        An item that lost its worker before is not preempted: what ran meanwhile could be lost with it.
        """
        if not self.worker.stopping and not self.alone:
            if self.priority >= INTERACTIVE and not long:
                self.worker.allow_preemption(self.priority, frozenset(item.tenant_id for item in self.claim.items))
            else:
                self.worker.allow_preemption(self.priority)
        self.drop_unwanted()
        self.waiting = [entry for entry in map(self._without_dropped, self.waiting) if entry is not None]

    def drop_unwanted(self) -> None:
        """Cancel what is to be cancelled, and forget what is no longer the claim's own."""
        if not self.open:
            return
        with self.engine.begin() as connection:
            status = claim_status(connection, self.claim.token, list(self.open))
        if status.overdue_jobs:
            with self.engine.begin() as connection:
                cancel_jobs(connection, sorted(status.overdue_jobs))
        if status.cancelled:
            with self.engine.begin() as connection:
                cancel_items(connection, self.claim.token, sorted(status.cancelled))
        lost = self.open.keys() - status.wanted - status.cancelled
        if lost:
            log.warning("lost the lease of %d items of model=%s", len(lost), self.claim.model_id)
        self.open = {item: self.open[item] for item in sorted(status.wanted)}

    def _without_dropped(self, entry: RenderedItem) -> RenderedItem | None:
        """The document without dropped duplicates; a duplicate takes the place of a dropped item."""
        wanted = [one for one in entry.all if one.item.id in self.open]
        if not wanted:
            return None
        first, *others = wanted
        return RenderedItem(first.item, first.rendered, first.work_key, first.tokenize_ms, others)


def options_of(entry: RenderedItem) -> CaptureOptions:
    """What is kept of a document beyond its metrics."""
    return CaptureOptions(
        flow=(entry.rendered.turns or 0) <= FLOW_TURNS, layer_embeddings=entry.item.options.layer_embeddings
    )
