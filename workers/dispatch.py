"""What a worker does on a wake-up: one claim of a model's work, or one summary of a comparison."""

import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache

import torch
from sqlalchemy import Engine

from attention.errors import HearkenError, ModelRefused
from models.database_errors import from_database, in_one_line
from models.queries.queue.claims import Claim, Urgent, claim_items, fail_items, give_back, work_waits
from models.queries.queue.inquiry_claims import (
    ClaimedInquiry,
    claim_inquiries,
    give_back_inquiries,
    inquiries_wait,
)
from models.queries.queue.summary_claims import claim_summary, summaries_wait
from models.settings import Settings, load_models_file
from models.tables import INTERACTIVE
from workers.database import alone, engine, insist
from workers.inquiries.answers import answer_inquiries, fail_inquiries
from workers.inquiries.comparison_files import answer_file
from workers.measuring.claim_run import ClaimRun
from workers.measuring.claim_stream import ClaimStream
from workers.measuring.helpers import HelperProcesses, Helpers, NoHelpers
from workers.measuring.model_registry import UNTRAINED, ModelRegistry
from workers.measuring.pipeline import Pipeline, SideBySide, TurnByTurn
from workers.outbox import send_wakeups
from workers.process import WorkerProcess, this_process

log = logging.getLogger(__name__)

FAIR_SECONDS = 5.0
"""So long a model's claims follow one another before it is asked whether others wait."""
SWITCH_SECONDS = 0.00002
"""How long a thread may keep the interpreter from the one that feeds the device; by default that is 5 ms.

Queueing a pass gives the interpreter away hundreds of times, and waits so long each time to have it back."""
MOST_HELPERS = 8
"""Helpers of a worker on a GPU, unless a setting says otherwise."""
MOST_PREEMPTED = 2
"""How many claims may be preempted at once: background work by a long urgent document, and that by a short one."""


class Dispatcher:
    """Takes the work that a wake-up announces. Between two passes it lets more urgent work preempt what runs."""

    def __init__(
        self, process: WorkerProcess, models: ModelRegistry, engine: Engine, helpers: Helpers | None = None
    ) -> None:
        self.process = process
        self.models = models
        self.engine = engine
        self.alone = alone(engine)
        self.helpers = helpers or NoHelpers(engine)
        self._depth = 0

    @property
    def stopping(self) -> bool:
        """Whether the worker has been asked to end."""
        return self.process.stopping

    def answer_model(self, model_id: str) -> None:
        """Answer the model's inquiries, then do one claim of its items; with nothing to do, load the default model."""
        if model_id not in self.models.entries:
            log.warning("a wake-up for the model %s, which is not in this worker's models file", model_id)
            return
        torch.set_num_threads(self.process.threads)
        busy = self._inquiries(model_id)
        busy = self._claims(model_id, None) or busy
        if not busy and model_id == self.models.default_id and not self.models.is_open(model_id):
            self._load(model_id)
        if self.models.is_refused(model_id) and not self.models.opened_any:
            self._load_another()

    @property
    def useless(self) -> bool:
        """Whether every model was refused before any could be opened, so that the worker's start has failed."""
        return self.models.refused_all and not self.models.opened_any

    def fail_what_waits(self) -> None:
        """Fail all that waits for the models, with what each was refused for."""
        for model_id in self.models.ids:
            while self._inquiries(model_id) or self._claims(model_id, None):
                pass

    def answer_summaries(self) -> None:
        """Make the files of comparisons that somebody waits for, then the summary of one comparison."""
        torch.set_num_threads(self.process.threads)
        self._files()
        with self.engine.begin() as connection:
            claimed = claim_summary(connection, self.process.id, self.process.settings.lease_seconds)
        if claimed is not None:
            from workers.comparing.summaries import SummaryRun  # statistics take seconds to load, and most do without

            with self.process.holding(claimed.token):
                SummaryRun(self.engine, claimed, self).run()

    def allow_preemption(self, priority: int, besides: frozenset[str] = frozenset()) -> None:
        """Between two passes of work of this priority: answer inquiries and do one claim of more urgent items a model.

        All interactive work preempts background work. Interactive work is preempted by as much as one pass takes of
        work that is short, but not by that of the tenants `besides`, which waits its turn. An error of the database
        with that work, which has been given back then, is none of what runs.
        """
        if self._depth == MOST_PREEMPTED:
            return
        self._depth += 1
        try:
            self._preempt(priority, besides, interactive=self._depth > 1 or priority >= INTERACTIVE)
        except Exception as error:
            if not from_database(error):
                raise
            log.warning("more urgent work was given back: %s", in_one_line(error))
        finally:
            self._depth -= 1

    def _preempt(self, priority: int, besides: frozenset[str], *, interactive: bool) -> None:
        least = min(priority, INTERACTIVE - 1)
        urgent_for = {
            model_id: Urgent(least, self.models.budget(model_id) if interactive else None, besides)
            for model_id in self.models.ids
        }
        waiting = [model_id for model_id, urgent in urgent_for.items() if self._waits(model_id, urgent)]
        self._files()
        for model_id in waiting:
            if not self.stopping:
                self._inquiries(model_id)
                self._claims(model_id, urgent_for[model_id])

    def _waits(self, model_id: str, urgent: Urgent) -> bool:
        with self.alone.connect() as connection:
            return inquiries_wait(connection, [model_id]) or work_waits(connection, [model_id], urgent)

    def _files(self) -> None:
        """Make files of comparisons that are waited for, one at a time, so that others wait for no more than one."""
        while not self.stopping and (inquiries := self._claim_inquiries(None, 1)):
            with self._given_back_on_error(inquiries):
                answer_file(self.engine, inquiries[0])

    @contextmanager
    def _given_back_on_error(self, inquiries: list[ClaimedInquiry]) -> Iterator[None]:
        """Where an error of the database comes, those of them that have no answer yet go back into the queue."""
        try:
            yield
        except Exception as error:
            if from_database(error):
                insist(self.engine, lambda c: give_back_inquiries(c, inquiries), stopping=lambda: self.stopping)
            raise

    def _claim_inquiries(self, model_id: str | None, limit: int) -> list[ClaimedInquiry]:
        with self.alone.connect() as connection:
            if not inquiries_wait(connection, [model_id]):
                return []
        with self.engine.begin() as connection:
            return claim_inquiries(
                connection,
                model_id,
                self.process.id,
                limit=limit,
                lease_seconds=self.process.settings.lease_seconds,
            )

    def _inquiries(self, model_id: str) -> bool:
        inquiries = self._claim_inquiries(model_id, self.process.settings.claim_documents)
        if not inquiries:
            return False
        with self._given_back_on_error(inquiries):
            try:
                loaded = self.models.open(model_id)
            except HearkenError as error:
                fail_inquiries(self.engine, inquiries, error.code, str(error))
            else:
                answer_inquiries(self.engine, loaded, inquiries, self.models.budget(model_id), lambda: self.stopping)
        return True

    def _claims(self, model_id: str, urgent: Urgent | None) -> bool:
        """Measure what is queued for the model, claim by claim; of urgent items one claim. Whether there was any."""
        claims = _Claims(self, model_id, urgent)
        first = claims.next()
        if first is None:
            return claims.any
        pipeline = TurnByTurn() if urgent else pipeline_for(first.loaded.model.facts.device, self.helpers.count)
        waiting = [first]
        try:
            ClaimStream(pipeline, lambda: waiting.pop() if waiting else claims.next()).run()
        finally:
            claims.end()
        return True

    def others_wait(self, model_id: str) -> bool:
        """Whether there is work for another model, or work that needs none."""
        with self.alone.connect() as connection:
            others = [other for other in self.models.ids if other != model_id]
            return (
                work_waits(connection, others)
                or inquiries_wait(connection, [*self.models.ids, None])
                or summaries_wait(connection)
            )

    def _load(self, model_id: str) -> None:
        try:
            with self.process.loading():
                self.models.open(model_id)
        except HearkenError as error:
            log.warning("the default model cannot be loaded: %s", error)

    def _load_another(self) -> None:
        """Where the first to be loaded was refused: find out whether any is left, and have that one loaded."""
        for model_id in self.models.entries:
            try:
                self.models.open(model_id)
            except ModelRefused:
                continue  # told where it is found out
            except HearkenError as error:
                log.warning("the model %s cannot be loaded: %s", model_id, error)
            return


class _Claims:
    """The claims of one model as runs: each under the model itself, and then what is to be measured untrained.

    They end when nothing is left, when the worker is to end, and when others have waited for `FAIR_SECONDS`.
    """

    def __init__(self, dispatcher: Dispatcher, model_id: str, urgent: Urgent | None) -> None:
        self._dispatcher = dispatcher
        self._model_id = model_id
        self._urgent = urgent
        self._runs: deque[ClaimRun] = deque()
        self._fair_until = time.monotonic() + FAIR_SECONDS
        self.any = False

    def next(self) -> ClaimRun | None:
        """The next run; None where the claims have ended. What cannot be measured fails on the way."""
        while not self._runs:
            if (self.any and self._is_over()) or (claim := self._claim()) is None:
                return None
            if claim.more and not self.any:
                send_wakeups(self._dispatcher.engine)
            self.any = True
            try:
                self._runs.extend(self._runs_of(claim))
            except BaseException:
                self._give_back(claim)
                raise
        return self._runs.popleft()

    def end(self) -> None:
        """Give back the runs that nobody has taken."""
        while self._runs:
            self._runs.popleft().end()

    def _is_over(self) -> bool:
        if self._urgent is not None or self._dispatcher.stopping:
            return True
        if time.monotonic() < self._fair_until:
            return False
        self._fair_until = time.monotonic() + FAIR_SECONDS
        return self._dispatcher.others_wait(self._model_id)

    def _claim(self) -> Claim | None:
        process, models = self._dispatcher.process, self._dispatcher.models
        if self.any:  # after the first claim it is likely that nothing is left
            with self._dispatcher.alone.connect() as connection:
                if not work_waits(connection, [self._model_id], self._urgent):
                    return None
        one_pass = self._urgent is not None and self._urgent.longest is not None
        with self._dispatcher.engine.begin() as connection:
            claim = claim_items(
                connection,
                self._model_id,
                process.id,
                documents=process.settings.claim_documents,
                token_budget=models.budget(self._model_id) if one_pass else models.claim_tokens(self._model_id),
                lease_seconds=process.settings.lease_seconds,
                urgent=self._urgent,
            )
        if claim is not None:
            process.hold(claim.token)
        return claim

    def _give_back(self, claim: Claim) -> None:
        dispatcher, items = self._dispatcher, [item.id for item in claim.items]
        try:
            insist(dispatcher.engine, lambda c: give_back(c, claim.token, items), stopping=lambda: dispatcher.stopping)
        finally:
            dispatcher.process.release(claim.token)

    def _runs_of(self, claim: Claim) -> list[ClaimRun]:
        """A run for the model and one for it untrained, where the claim has items of the kind."""
        parts = []
        for name in (claim.model_id, claim.model_id + UNTRAINED):
            untrained = name.endswith(UNTRAINED)
            items = tuple(item for item in claim.items if (item.options.control == "untrained") == untrained)
            if items:
                parts.append((name, replace(claim, items=items)))
        ends = [claim.token] * len(parts)

        def end() -> None:
            ends.pop()
            if not ends:
                self._dispatcher.process.release(claim.token)

        return [run for name, part in parts if (run := self._run_under(name, part, end)) is not None]

    def _run_under(self, name: str, claim: Claim, end: Callable[[], None]) -> ClaimRun | None:
        dispatcher = self._dispatcher
        try:
            loaded = dispatcher.models.open(name)
        except HearkenError as error:
            failures = {item.id: (error.code, str(error)) for item in claim.items}
            with dispatcher.engine.begin() as connection:
                fail_items(connection, claim.token, failures)
            end()
            return None
        return ClaimRun(dispatcher.engine, dispatcher.models, loaded, claim, dispatcher, dispatcher.helpers, end)


def pipeline_for(device: str, helpers: int) -> Pipeline:
    """Side by side where the device is not the processor, or there are helpers to take the work from it."""
    if device == "cpu" and not helpers:
        return TurnByTurn()
    sys.setswitchinterval(SWITCH_SECONDS)
    return SideBySide(max(1, helpers))


def helpers_of(chosen: Settings, processors: int, engine: Engine) -> Helpers:
    """The helpers of a worker with so many processors: as set, or some of them where its models are on a GPU."""
    count = chosen.helpers
    if count is None:
        count = min(MOST_HELPERS, processors - 1) if torch.cuda.is_available() else 0
    return HelperProcesses(count, engine) if count > 0 else NoHelpers(engine)


@cache
def this_dispatcher() -> Dispatcher:
    """The dispatcher of this process, with the models of its models file."""
    process = this_process()
    models = ModelRegistry(
        engine(),
        load_models_file(process.settings.models),
        process.settings.token_budget,
        process.settings.model_memory_bytes,
        sharers=lambda: process.neighbours,
        cache=None if process.settings.data_dir is None else process.settings.data_dir / "models",
        tell_loaded=process.tell_loaded,
    )
    process.loaded = lambda: models.loaded
    return Dispatcher(process, models, engine(), helpers_of(process.settings, process.threads, engine()))
