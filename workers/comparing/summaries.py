"""Making a comparison's summary: groups from the database, statistics, the report."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from sqlalchemy import Engine

from attention.comparison.conduct import conduct_study
from attention.comparison.groups import ComparisonSettings, Group
from attention.comparison.parts.documents import Windows
from attention.comparison.study import Study
from attention.errors import HearkenError, Interrupted
from models.database_errors import database_is_away
from models.queries.queue.summary_claims import ClaimedSummary, fail_summary, give_back_summaries, summary_wanted
from models.queries.writing.comparisons import SummaryFile, store_summary
from models.schemas.comparisons import ComparisonRequest
from models.session_limits import allow_long_reading, allow_long_statements
from models.tables import BACKGROUND
from workers.comparing.stored_groups import stored_groups
from workers.database import insist
from workers.inquiries.comparison_files import stated_versions
from workers.measuring.claim_run import Worker

log = logging.getLogger(__name__)

REPORT = "report.html"
CHECK_SECONDS = 0.1
"""How often the worker checks for interactive work, and whether the summary is still wanted, while it is made."""

UNEXPECTED = (
    "summary-failed",
    "Making the summary failed in a way that was not foreseen; the operator's log tells more.",
)


class SummaryRun:
    """One claimed summary. The statistics run in a thread of their own, so that the worker can serve whoever waits."""

    def __init__(self, engine: Engine, claimed: ClaimedSummary, worker: Worker) -> None:
        self.engine = engine
        self.claimed = claimed
        self.worker = worker
        self.request = ComparisonRequest.model_validate(claimed.request)

    def run(self) -> None:
        """Make the summary and store it, or store why it cannot be made.

        It is given back when the worker is to end, and when the database is away, which is raised.
        """
        log.info("summary comparison=%s begins", self.claimed.id)
        summary: SummaryThread | None = None
        try:
            groups = self._groups()
            summary = SummaryThread(partial(self._make, groups))
            while not summary.finished(CHECK_SECONDS):
                if self.worker.stopping or not self._wanted():
                    summary.abandon()
                    break
                self.worker.allow_preemption(BACKGROUND)
            study, files = summary.result()
            with self.engine.begin() as connection:
                allow_long_statements(connection)
                stored = store_summary(connection, self.claimed, study, files)
            log.info("summary comparison=%s %s", self.claimed.id, "is stored" if stored else "was not wanted any more")
        except Interrupted:
            self._give_back()
        except HearkenError as refusal:
            self._fail(refusal.code, str(refusal))
        except Exception as error:
            if database_is_away(error):
                if summary is not None:
                    summary.abandon()
                self._give_back()
                raise
            log.exception("summary comparison=%s failed", self.claimed.id)
            self._fail(*UNEXPECTED)

    def _give_back(self) -> None:
        token = self.claimed.token
        insist(self.engine, lambda c: give_back_summaries(c, [token]), stopping=lambda: self.worker.stopping)

    def _wanted(self) -> bool:
        with self.engine.connect() as connection:
            return summary_wanted(connection, self.claimed)

    def _fail(self, reason: str, message: str) -> None:
        with self.engine.begin() as connection:
            fail_summary(connection, self.claimed, reason, message)

    def _groups(self, first: int = 0) -> list[Group]:
        """The groups whose documents stand at the positions from `first` on."""
        with self.engine.connect() as connection:
            allow_long_reading(connection)
            return stored_groups(connection, self.claimed.job_id, self.request, first)

    def _make(self, groups: list[Group], begin: Callable[[str], None]) -> tuple[Study, list[SummaryFile]]:
        """The comparison's result and its page; `begin` is called before each step and may raise to stop the work."""
        study = conduct_study(
            groups,
            _settings(self.request),
            first_window=self.request.first_window,
            layer_embeddings=self.request.layer_embeddings,
            controls={
                name: partial(self._groups, number * len(self.request.groups))
                for number, name in enumerate(self.request.controls, start=1)
            },
            windows=_windows(self.request),
            between_steps=begin,
        )
        begin("report")
        from report import build_report  # here, because the drawing libraries take a second to load
        from report.figures.printed import figure_names

        study = replace(study, figures=tuple(figure_names(study)))
        page = build_report(study, self.claimed.request, stated_versions(study))
        return study, [SummaryFile(REPORT, "text/html; charset=utf-8", page.encode())]


def _settings(request: ComparisonRequest) -> ComparisonSettings:
    return ComparisonSettings(
        seed=request.seed,
        confidence=request.confidence,
        metrics=None if request.metrics is None else tuple(request.metrics),
        maps=tuple(request.maps),
        map_layers=tuple(request.map_layers),
        by_head=request.by_head,
        head_permutations=max(1000, request.permutations),
    )


def _windows(request: ComparisonRequest) -> Windows:
    """How much of each document was read."""
    characters = request.window_characters
    return Windows(
        tokens=request.window_tokens if characters is None else None,
        characters=characters,
        count=request.windows,
        seed=request.seed,
    )


class SummaryThread:
    """A summary made in a thread of its own, which may be stopped between two of its steps."""

    def __init__(self, work: Callable[[Callable[[str], None]], tuple[Study, list[SummaryFile]]]) -> None:
        self._work = work
        self._abandoned = threading.Event()
        self._result: tuple[Study, list[SummaryFile]] | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="summary", daemon=True)
        self._thread.start()

    def finished(self, seconds: float) -> bool:
        """Wait so long at most; whether the work has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def abandon(self) -> None:
        """Let the work end at its next step; nobody waits for it."""
        self._abandoned.set()

    def result(self) -> tuple[Study, list[SummaryFile]]:
        """What the work made. Raises what it raised, or Interrupted when it was abandoned."""
        if self._abandoned.is_set():
            raise Interrupted("the summary was abandoned")
        if self._error is not None:
            raise self._error
        assert self._result is not None
        return self._result

    def _run(self) -> None:
        try:
            self._result = self._work(self._begin)
        except BaseException as error:
            self._error = error

    def _begin(self, step: str) -> None:
        log.debug("summary step %s", step)
        if self._abandoned.is_set():
            raise Interrupted("the summary was abandoned")
