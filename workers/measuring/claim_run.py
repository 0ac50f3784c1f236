"""Running a claim: render its documents, measure them in groups of one pass, store each group.

Between two passes more urgent work may preempt it, cancelled items are dropped, and a worker that was asked to end puts
the rest back into the queue.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from sqlalchemy import Engine
from sqlalchemy.exc import InterfaceError, OperationalError

from attention.errors import CaptureFailed, DocumentRefused, HearkenError, Interrupted, ModelRefused
from attention.measure.analysis import Measurement, analyse
from attention.measure.capture import CaptureOptions
from attention.measure.grouping import padded_share, pass_sized_groups
from attention.text.documents import Rendered
from models.queries.queue.cancellation import cancel_jobs
from models.queries.queue.claims import Claim, ClaimedItem, cancel_items, claim_status, fail_items, give_back
from models.queries.writing.storing import Key, Outcome, known_measurements, store_outcomes
from workers.measuring.documents import key_of, of_ordinary_words, render_content
from workers.measuring.model_registry import LoadedModel, ModelRegistry

log = logging.getLogger(__name__)

FLOW_TURNS = 2048
"""Conversations of more turns are stored without their flow, whose size grows with the square of the turns."""

UNEXPECTED = (
    HearkenError.code,
    "Measuring this document failed in a way that was not foreseen; the operator's log tells more.",
)
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

    def allow_preemption(self, priority: int) -> None:
        """Do the waiting work that is more urgent than this priority."""


@dataclass(slots=True)
class RenderedItem:
    """A work item with its document as tokens, and the claim's other items that lead to the same measurement."""

    item: ClaimedItem
    rendered: Rendered
    work_key: bytes
    tokenize_ms: float
    duplicates: list["RenderedItem"] = field(default_factory=list)

    @property
    def key(self) -> Key:
        """The name of its measurement."""
        return self.item.tenant_id, self.work_key

    @property
    def all(self) -> list["RenderedItem"]:
        """Itself and its duplicates."""
        return [self, *self.duplicates]


class ClaimRun:
    """One claim under one model. `run` settles every item of it or gives it back."""

    def __init__(
        self, engine: Engine, models: ModelRegistry, loaded: LoadedModel, claim: Claim, worker: Worker
    ) -> None:
        self.engine = engine
        self.models = models
        self.loaded = loaded
        self.claim = claim
        self.worker = worker
        self.priority = max(item.priority for item in claim.items)
        self.open: dict[int, ClaimedItem] = {item.id: item for item in claim.items}

    @property
    def budget(self) -> int:
        """Padded tokens that a pass may have."""
        return self.models.budgets[self.loaded.model_id]

    def run(self) -> None:
        """Measure and store. Raises only database errors; every other failure is stored with its items."""
        try:
            self._drop_unwanted()
            waiting = self._store_known(self._render())
            while waiting and not self.worker.stopping:
                waiting = self._one_group(waiting)
                if waiting:
                    self._checkpoint()
                    waiting = [entry for entry in map(self._without_dropped, waiting) if entry is not None]
        except ModelRefused as refusal:
            self.models.refuse(self.loaded.model_id, refusal)
            self._fail(list(self.open.values()), (refusal.code, str(refusal)))
        finally:
            if self.open:
                with self.engine.begin() as connection:
                    give_back(connection, self.claim.token, list(self.open))

    def _render(self) -> list[RenderedItem]:
        """Every open item as tokens; one that cannot be rendered fails alone."""
        found: dict[Key, RenderedItem] = {}
        for item in list(self.open.values()):
            begun = time.perf_counter()
            try:
                rendered = render_content(self.loaded.model, item.content, item.options)
            except DocumentRefused as refusal:
                self._fail([item], (refusal.code, str(refusal)))
                continue
            except Exception:
                log.exception("item=%d of job=%s could not be rendered", item.id, item.job_id)
                self._fail([item], UNEXPECTED)
                continue
            milliseconds = (time.perf_counter() - begun) * 1000
            entry = RenderedItem(item, rendered, key_of(self.loaded.model, rendered, item.options), milliseconds)
            if entry.key in found:
                found[entry.key].duplicates.append(entry)
            else:
                found[entry.key] = entry
        return list(found.values())

    def _store_known(self, rendered: list[RenderedItem]) -> list[RenderedItem]:
        """Store what was measured before, and return what is to be measured."""
        with self.engine.connect() as connection:
            known = known_measurements(connection, [entry.key for entry in rendered])
        if known:
            self._store([(entry, None) for entry in rendered if entry.key in known])
        return [entry for entry in rendered if entry.key not in known]

    def _one_group(self, waiting: list[RenderedItem]) -> list[RenderedItem]:
        """Measure and store what fits into one pass; returns the rest."""
        lengths = [[len(window) for window in entry.rendered.all_windows] for entry in waiting]
        group = pass_sized_groups(lengths, self.budget)[0]
        chosen = [waiting[index] for index in group]
        rest = [entry for index, entry in enumerate(waiting) if index not in set(group)]
        try:
            self._measure(chosen)
        except torch.OutOfMemoryError:
            return self._after_running_out(chosen) + rest
        return rest

    def _after_running_out(self, group: list[RenderedItem]) -> list[RenderedItem]:
        """Halve the budget from now on; a window that does not fit by itself fails its document."""
        torch.cuda.empty_cache()
        widest = max(len(window) for entry in group for window in entry.rendered.all_windows)
        if self.budget <= widest:
            self._fail([entry.item for one in group for entry in one.all], OUT_OF_MEMORY)
            return []
        self.models.budgets[self.loaded.model_id] = max(self.budget // 2, widest)
        log.warning(
            "out of memory: model=%s passes from now on have %d tokens at most",
            self.loaded.model_id,
            self.budget,
        )
        return group

    def _measure(self, group: list[RenderedItem]) -> None:
        """Measure a group and store it; if it fails, each of its documents alone, so that only the culprit fails."""
        try:
            self._store(list(zip(group, self._analyse(group), strict=True)))
        except (torch.OutOfMemoryError, ModelRefused, OperationalError, InterfaceError):
            raise
        except Interrupted:
            return  # what was cancelled or is to be given back is dealt with at the next checkpoint
        except Exception as error:
            if len(group) > 1:
                log.warning("a pass of %d documents failed, each is measured alone: %r", len(group), error)
                for entry in group:
                    if not self.worker.stopping:
                        self._measure([entry])
            elif isinstance(error, HearkenError):
                self._fail([entry.item for entry in group[0].all], (error.code, str(error)))
            else:
                log.exception("item=%d of job=%s failed", group[0].item.id, group[0].item.job_id)
                self._refuse_if_it_fails_on_any_text(group[0].rendered)
                self._fail([entry.item for entry in group[0].all], UNEXPECTED)

    def _refuse_if_it_fails_on_any_text(self, rendered: Rendered) -> None:
        """Raise CaptureFailed where the model fails on an ordinary text as well: then no document is to blame."""
        try:
            analyse(self.loaded.model, [of_ordinary_words(self.loaded.model, rendered)], token_budget=self.budget)
        except Exception as error:  # whatever it is, the document did not cause it
            model = self.loaded.model
            raise CaptureFailed(
                f"{self.loaded.model_id} ({model.facts.architecture}) fails on a text of {rendered.tokens} "
                f"tokens, whatever it says ({type(error).__name__}: {error})"
            ) from error

    def _analyse(self, group: list[RenderedItem]) -> list[Measurement]:
        items = [entry.item for one in group for entry in one.all]
        between = self._between_passes(items)
        begun = time.perf_counter()
        measured: dict[int, Measurement] = {}
        for options in dict.fromkeys(
            map(_options_of, group)
        ):  # each document as it needs, whoever it shares the group with
            chosen = [n for n, one in enumerate(group) if _options_of(one) == options]
            found = analyse(
                self.loaded.model,
                [group[n].rendered for n in chosen],
                token_budget=self.budget,
                options=options,
                between_passes=between,
            )
            measured.update(zip(chosen, found, strict=True))
        lengths = [len(window) for entry in group for window in entry.rendered.all_windows]
        number, padded = padded_share(lengths, self.budget)
        log.info(
            "pass model=%s documents=%d jobs=%d tenants=%d passes=%d windows=%d tokens=%d padded=%.1f%% ms=%.0f",
            self.loaded.model_id,
            len(group),
            len({item.job_id for item in items}),
            len({item.tenant_id for item in items}),
            number,
            len(lengths),
            sum(lengths),
            100 * padded,
            (time.perf_counter() - begun) * 1000,
        )
        return [measured[n] for n in range(len(group))]

    def _between_passes(self, items: list[ClaimedItem]) -> Callable[[], None]:
        """For a document of many passes: raises Interrupted when nobody wants it any more, or the worker is to end."""

        def checkpoint() -> None:
            self._checkpoint()
            if self.worker.stopping:
                raise Interrupted("the worker is to end")
            if not any(item.id in self.open for item in items):
                raise Interrupted("nobody wants the document any more")

        return checkpoint

    def _store(self, measured: list[tuple[RenderedItem, Measurement | None]]) -> None:
        """Store a group's numbers; a duplicate shares them."""
        outcomes = [
            Outcome(
                item=entry.item,
                work_key=entry.work_key,
                measured=measurement if entry is first else None,
                tokenize_ms=entry.tokenize_ms,
                forward_ms=0.0 if measurement is None else measurement.forward_ms,
            )
            for first, measurement in measured
            for entry in first.all
            if entry.item.id in self.open
        ]
        if not outcomes:
            return
        with self.engine.begin() as connection:
            store_outcomes(
                connection,
                self.claim.token,
                self.claim.model_id,
                self.loaded.version_key,
                self.loaded.scale,
                outcomes,
            )
        for outcome in outcomes:
            self.open.pop(outcome.item.id, None)

    def _fail(self, items: list[ClaimedItem], why: tuple[str, str]) -> None:
        with self.engine.begin() as connection:
            fail_items(connection, self.claim.token, {item.id: why for item in items if item.id in self.open})
        for item in items:
            self.open.pop(item.id, None)

    def _checkpoint(self) -> None:
        """Between two passes: let more urgent work preempt this claim, then drop what is cancelled or lost.

        An item that lost its worker before is not preempted: what ran meanwhile could be lost with it.
        """
        if not self.worker.stopping and not any(item.alone for item in self.claim.items):
            self.worker.allow_preemption(self.priority)
        self._drop_unwanted()

    def _drop_unwanted(self) -> None:
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

    def _without_dropped(self, rendered_item: RenderedItem) -> RenderedItem | None:
        """The item without dropped duplicates; a duplicate takes the place of a dropped item."""
        wanted = [one for one in rendered_item.all if one.item.id in self.open]
        if not wanted:
            return None
        first, *others = wanted
        return RenderedItem(first.item, first.rendered, first.work_key, first.tokenize_ms, others)


def _options_of(entry: RenderedItem) -> CaptureOptions:
    """What is kept of a document beyond its metrics."""
    return CaptureOptions(
        flow=(entry.rendered.turns or 0) <= FLOW_TURNS, layer_embeddings=entry.item.options.layer_embeddings
    )
