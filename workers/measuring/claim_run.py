"""Running a claim: render, measure in groups of one pass, store each group, and let go of whatever is not wanted.

Between passes the claim looks around: cancelled work is dropped, a worker that is to stop gives the rest back, and
whoever waits for an answer is served before the next pass.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from sqlalchemy import Engine
from sqlalchemy.exc import InterfaceError, OperationalError

from attention.errors import DocumentRefused, HearkenError, Interrupted, ModelRefused
from attention.measure.analysis import Measurement, analyse
from attention.measure.capture import Want
from attention.measure.grouping import padded_share, pass_sized_groups
from attention.text.documents import Rendered
from models.queries.queue.cancellation import cancel_jobs
from models.queries.queue.claims import Claim, ClaimedItem, cancel_items, claim_standing, fail_items, give_back
from models.queries.writing.storing import Key, Outcome, known_measurements, store_outcomes
from workers.measuring.documents import key_of, render_content
from workers.measuring.model_registry import Served, ServedModels

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


class Surroundings(Protocol):
    """What a claim must know of its worker while it runs."""

    @property
    def stopping(self) -> bool:
        """Whether the worker is to end."""

    def give_way(self, priority: int) -> None:
        """Serve whoever is more urgent than work of this priority."""


@dataclass(slots=True)
class Reading:
    """One document as the model reads it, and the other items of the claim that ask for the same numbers."""

    item: ClaimedItem
    rendered: Rendered
    work_key: bytes
    tokenize_ms: float
    twins: list["Reading"] = field(default_factory=list)

    @property
    def key(self) -> Key:
        """The name of its measurement."""
        return self.item.tenant_id, self.work_key

    @property
    def all(self) -> list["Reading"]:
        """Itself and its twins."""
        return [self, *self.twins]


class ClaimRun:
    """One claim under one model. `run` settles every item of it or gives it back."""

    def __init__(
        self, engine: Engine, models: ServedModels, served: Served, claim: Claim, surroundings: Surroundings
    ) -> None:
        self.engine = engine
        self.models = models
        self.served = served
        self.claim = claim
        self.surroundings = surroundings
        self.priority = max(item.priority for item in claim.items)
        self.open: dict[int, ClaimedItem] = {item.id: item for item in claim.items}

    @property
    def budget(self) -> int:
        """Padded tokens that a pass may have."""
        return self.models.budgets[self.served.model_id]

    def run(self) -> None:
        """Measure and store. Raises only what says that the database is away; the rest is settled item by item."""
        try:
            self._drop_unwanted()
            waiting = self._store_known(self._read())
            while waiting and not self.surroundings.stopping:
                waiting = self._one_group(waiting)
                if waiting:
                    self._look_around()
                    waiting = [reading for reading in map(self._still_wanted, waiting) if reading is not None]
        except ModelRefused as refusal:
            self.models.refuse(self.served.model_id, refusal)
            self._fail(list(self.open.values()), (refusal.code, str(refusal)))
        finally:
            if self.open:
                with self.engine.begin() as connection:
                    give_back(connection, self.claim.token, list(self.open))

    def _read(self) -> list[Reading]:
        """Every open item as the model reads it; those that cannot be read fail, alone."""
        readings: dict[Key, Reading] = {}
        for item in list(self.open.values()):
            begun = time.perf_counter()
            try:
                rendered = render_content(self.served.model, item.content, item.options)
            except DocumentRefused as refusal:
                self._fail([item], (refusal.code, str(refusal)))
                continue
            except Exception:
                log.exception("item=%d of job=%s could not be rendered", item.id, item.job_id)
                self._fail([item], UNEXPECTED)
                continue
            milliseconds = (time.perf_counter() - begun) * 1000
            reading = Reading(item, rendered, key_of(self.served.model, rendered, item.options), milliseconds)
            if reading.key in readings:
                readings[reading.key].twins.append(reading)
            else:
                readings[reading.key] = reading
        return list(readings.values())

    def _store_known(self, readings: list[Reading]) -> list[Reading]:
        """Store what was measured before, and return what is to be measured."""
        with self.engine.connect() as connection:
            known = known_measurements(connection, [reading.key for reading in readings])
        if known:
            self._store([(reading, None) for reading in readings if reading.key in known])
        return [reading for reading in readings if reading.key not in known]

    def _one_group(self, waiting: list[Reading]) -> list[Reading]:
        """Measure and store what fits into one pass; returns the rest."""
        lengths = [[len(window) for window in reading.rendered.all_windows] for reading in waiting]
        group = pass_sized_groups(lengths, self.budget)[0]
        chosen = [waiting[index] for index in group]
        rest = [reading for index, reading in enumerate(waiting) if index not in set(group)]
        try:
            self._measure(chosen)
        except torch.OutOfMemoryError:
            return self._after_running_out(chosen) + rest
        return rest

    def _after_running_out(self, group: list[Reading]) -> list[Reading]:
        """Halve the budget from now on; a window that does not fit by itself fails its document."""
        torch.cuda.empty_cache()
        widest = max(len(window) for reading in group for window in reading.rendered.all_windows)
        if self.budget <= widest:
            self._fail([reading.item for one in group for reading in one.all], OUT_OF_MEMORY)
            return []
        self.models.budgets[self.served.model_id] = max(self.budget // 2, widest)
        log.warning(
            "out of memory: model=%s passes from now on have %d tokens at most",
            self.served.model_id,
            self.budget,
        )
        return group

    def _measure(self, group: list[Reading]) -> None:
        """Measure a group and store it; if it fails, each of its documents alone, so that only the culprit fails."""
        try:
            self._store(list(zip(group, self._analyse(group), strict=True)))
        except (torch.OutOfMemoryError, ModelRefused, OperationalError, InterfaceError):
            raise
        except Interrupted:
            return  # what was to stop or was cancelled is dealt with when the claim looks around
        except Exception as error:
            if len(group) > 1:
                log.warning("a pass of %d documents failed, each is measured alone: %r", len(group), error)
                for reading in group:
                    if not self.surroundings.stopping:
                        self._measure([reading])
            elif isinstance(error, HearkenError):
                self._fail([reading.item for reading in group[0].all], (error.code, str(error)))
            else:
                log.exception("item=%d of job=%s failed", group[0].item.id, group[0].item.job_id)
                self._fail([reading.item for reading in group[0].all], UNEXPECTED)

    def _analyse(self, group: list[Reading]) -> list[Measurement]:
        items = [reading.item for one in group for reading in one.all]
        between = self._between_passes(items)
        begun = time.perf_counter()
        measured: dict[int, Measurement] = {}
        for want in dict.fromkeys(
            map(_wanted_of, group)
        ):  # each document as it needs, whoever it shares the group with
            chosen = [n for n, one in enumerate(group) if _wanted_of(one) == want]
            found = analyse(
                self.served.model,
                [group[n].rendered for n in chosen],
                token_budget=self.budget,
                want=want,
                between_passes=between,
            )
            measured.update(zip(chosen, found, strict=True))
        lengths = [len(window) for reading in group for window in reading.rendered.all_windows]
        number, padded = padded_share(lengths, self.budget)
        log.info(
            "pass model=%s documents=%d jobs=%d tenants=%d passes=%d windows=%d tokens=%d padded=%.1f%% ms=%.0f",
            self.served.model_id,
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
        """For a document of many passes: stop when nobody wants it any more, or when the worker is to end."""

        def look() -> None:
            self._look_around()
            if self.surroundings.stopping:
                raise Interrupted("the worker is to end")
            if not any(item.id in self.open for item in items):
                raise Interrupted("nobody wants the document any more")

        return look

    def _store(self, measured: list[tuple[Reading, Measurement | None]]) -> None:
        """Store a group's numbers; a twin shares them."""
        outcomes = [
            Outcome(
                item=reading.item,
                work_key=reading.work_key,
                measured=measurement if reading is first else None,
                tokenize_ms=reading.tokenize_ms,
                forward_ms=0.0 if measurement is None else measurement.forward_ms,
            )
            for first, measurement in measured
            for reading in first.all
            if reading.item.id in self.open
        ]
        if not outcomes:
            return
        with self.engine.begin() as connection:
            store_outcomes(
                connection,
                self.claim.token,
                self.claim.model_id,
                self.served.version_key,
                self.served.scale,
                outcomes,
            )
        for outcome in outcomes:
            self.open.pop(outcome.item.id, None)

    def _fail(self, items: list[ClaimedItem], why: tuple[str, str]) -> None:
        with self.engine.begin() as connection:
            fail_items(connection, self.claim.token, {item.id: why for item in items if item.id in self.open})
        for item in items:
            self.open.pop(item.id, None)

    def _look_around(self) -> None:
        """Serve whoever is more urgent, then drop what is cancelled or lost.

        An item that lost its worker before gives way to nobody: what would be served meanwhile could be lost with it.
        """
        if not self.surroundings.stopping and not any(item.alone for item in self.claim.items):
            self.surroundings.give_way(self.priority)
        self._drop_unwanted()

    def _drop_unwanted(self) -> None:
        with self.engine.begin() as connection:
            standing = claim_standing(connection, self.claim.token, list(self.open))
        if standing.overdue_jobs:
            with self.engine.begin() as connection:
                cancel_jobs(connection, sorted(standing.overdue_jobs))
        if standing.cancelled:
            with self.engine.begin() as connection:
                cancel_items(connection, self.claim.token, sorted(standing.cancelled))
        lost = self.open.keys() - standing.wanted - standing.cancelled
        if lost:
            log.warning("lost the lease of %d items of model=%s", len(lost), self.claim.model_id)
        self.open = {item: self.open[item] for item in sorted(standing.wanted)}

    def _still_wanted(self, reading: Reading) -> Reading | None:
        """The reading without twins that were dropped; a twin takes the place of a dropped first."""
        wanted = [one for one in reading.all if one.item.id in self.open]
        if not wanted:
            return None
        first, *others = wanted
        return Reading(first.item, first.rendered, first.work_key, first.tokenize_ms, others)


def _wanted_of(reading: Reading) -> Want:
    """What is kept of a document beyond its metrics."""
    return Want(
        flow=(reading.rendered.turns or 0) <= FLOW_TURNS, layer_embeddings=reading.item.options.layer_embeddings
    )
