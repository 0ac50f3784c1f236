"""Making a comparison's summary: groups from the database, statistics, the report."""

import logging
import math
import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import InterfaceError, OperationalError

from attention.comparison import ComparisonSettings, Group, compare
from attention.comparison.cautions import layers_unread
from attention.comparison.controls import control_result
from attention.comparison.first_window import first_window_result
from attention.comparison.paired_distances import distance_in_words
from attention.errors import HearkenError, Interrupted
from models.queries.reading.comparisons import SummaryFile
from models.queries.reading.summaries import (
    ClaimedSummary,
    fail_summary,
    give_back_summaries,
    store_summary,
    summary_wanted,
)
from models.schemas.comparisons import ComparisonRequest
from models.tables import BACKGROUND
from workers.comparing.stored_groups import stored_groups
from workers.inquiries.comparison_files import stated_versions
from workers.measuring.claim_run import Surroundings

log = logging.getLogger(__name__)

REPORT = "report.html"
LOOK_SECONDS = 0.1
"""How often a running summary lets the worker look for interactive work."""

UNEXPECTED = (
    "summary-failed",
    "Making the summary failed in a way that was not foreseen; the operator's log tells more.",
)


class SummaryRun:
    """One claimed summary. The statistics run in a thread of their own, so that the worker can serve whoever waits."""

    def __init__(self, engine: Engine, claimed: ClaimedSummary, surroundings: Surroundings) -> None:
        self.engine = engine
        self.claimed = claimed
        self.surroundings = surroundings
        self.request = ComparisonRequest.model_validate(claimed.request)

    def run(self) -> None:
        """Make the summary and store it, store why it cannot be made, or give it back when the worker is to end."""
        log.info("summary comparison=%s begins", self.claimed.id)
        try:
            groups = self._groups()
            summary = _Aside(lambda look: self._make(groups, look))
            while not summary.finished(LOOK_SECONDS):
                if self.surroundings.stopping or not self._wanted():
                    summary.abandon()
                    break
                self.surroundings.give_way(BACKGROUND)
            result, files = summary.result()
        except Interrupted:
            with self.engine.begin() as connection:
                give_back_summaries(connection, [self.claimed.token])
        except HearkenError as refusal:
            self._fail(refusal.code, str(refusal))
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            log.exception("summary comparison=%s failed", self.claimed.id)
            self._fail(*UNEXPECTED)
        else:
            with self.engine.begin() as connection:
                stored = store_summary(connection, self.claimed, result, files)
            log.info("summary comparison=%s %s", self.claimed.id, "is stored" if stored else "was not wanted any more")

    def _wanted(self) -> bool:
        with self.engine.connect() as connection:
            return summary_wanted(connection, self.claimed)

    def _fail(self, reason: str, message: str) -> None:
        with self.engine.begin() as connection:
            fail_summary(connection, self.claimed, reason, message)

    def _groups(self, first: int = 0) -> list[Group]:
        """The groups whose documents stand at the positions from `first` on."""
        with self.engine.connect() as connection:
            return stored_groups(connection, self.claimed.job_id, self.request, first)

    def _controls(self, settings: ComparisonSettings, look: Callable[[str], None]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for number, name in enumerate(self.request.controls, start=1):
            look(f"control: {name}")
            found[name] = control_result(self._groups(number * len(self.request.groups)), settings, look)
        return found

    def _windows(self) -> dict[str, Any]:
        """How much of each document was read."""
        characters = self.request.window_characters
        size = {"tokens": self.request.window_tokens} if characters is None else {"characters": characters}
        return {**size, "count": self.request.windows, "seed": self.request.seed}

    def _make(self, groups: list[Group], look: Callable[[str], None]) -> tuple[dict[str, Any], list[SummaryFile]]:
        settings = ComparisonSettings(
            seed=self.request.seed,
            confidence=self.request.confidence,
            metrics=None if self.request.metrics is None else tuple(self.request.metrics),
            maps=tuple(self.request.maps),
            map_layers=tuple(self.request.map_layers),
            by_head=self.request.by_head,
            head_permutations=max(1000, self.request.permutations),
        )
        whole = compare(groups, settings, between_steps=look)
        result = _finite(whole.as_dict())
        result["windows"] = self._windows()
        if self.request.layer_embeddings:
            result["warnings"] += map(asdict, layers_unread(groups))
        if self.request.first_window:
            look("first window")
            first, caution = first_window_result(whole, groups, settings, look)
            result["first_window"] = _finite(first)
            if caution is not None:
                result["warnings"].append(asdict(caution))
        if result["paired"]:
            look("distance in words")
            result["distance_words"] = _finite(distance_in_words(groups, settings))
        if self.request.controls:
            result["controls"] = _finite(self._controls(settings, look))
        look("report")
        from report import build_report  # here, because the drawing libraries take a second to load
        from report.figures.printed import figure_names

        result["figures"] = figure_names(result)
        page = build_report(result, self.claimed.request, stated_versions(result))
        return result, [SummaryFile(REPORT, "text/html; charset=utf-8", page.encode())]


class _Aside:
    """A piece of work in a thread of its own, which asks between steps whether to go on."""

    def __init__(self, work: Callable[[Callable[[str], None]], tuple[dict[str, Any], list[SummaryFile]]]) -> None:
        self._work = work
        self._abandoned = threading.Event()
        self._result: tuple[dict[str, Any], list[SummaryFile]] | None = None
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

    def result(self) -> tuple[dict[str, Any], list[SummaryFile]]:
        """What the work made. Raises what it raised, or Interrupted when it was abandoned."""
        if self._abandoned.is_set():
            raise Interrupted("the summary was abandoned")
        if self._error is not None:
            raise self._error
        assert self._result is not None
        return self._result

    def _run(self) -> None:
        try:
            self._result = self._work(self._look)
        except BaseException as error:  # raised again where the result is asked for
            self._error = error

    def _look(self, step: str) -> None:
        log.debug("summary step %s", step)
        if self._abandoned.is_set():
            raise Interrupted("the summary was abandoned")


def _finite(value: Any) -> Any:
    """The same JSON with null for every number that JSON does not know."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
