"""What every request of one process shares: settings, the served models, the database, waiting for jobs, wake-ups."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Request

from models.queries.writing.submission import ModelRef
from models.settings import ModelEntry, Settings
from models.states import ModelState
from service.database import Database
from service.http.problems import MODEL_UNKNOWN, field_problem
from service.signals.job_notifications import Watcher
from service.signals.wakeups import WakeupSender

UNPACKED_AT_ONCE = 2
"""Uploads that may be unpacked at once, since each may take much memory; others wait."""


@dataclass(slots=True)
class AppContext:
    """The parts of one running service."""

    settings: Settings
    entries: tuple[ModelEntry, ...]
    database: Database
    watcher: Watcher
    wakeups: WakeupSender
    local_tenant_known: bool = False
    readiness: tuple[Mapping[str, int], Mapping[str, ModelState]] = ({}, {})
    unpacking: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(UNPACKED_AT_ONCE))

    def served(self, model_id: str | None, pointer: str = "/model") -> ModelRef:
        """The model that a client names, or the default one. Raises a `Problem` when it is not served."""
        entry = self.entries[0]
        if model_id is not None:
            found = [candidate for candidate in self.entries if candidate.id == model_id]
            if not found:
                known = ", ".join(candidate.id for candidate in self.entries)
                raise field_problem(
                    MODEL_UNKNOWN, pointer, f"There is no model {model_id!r} here. Served are: {known}."
                )
            entry = found[0]
        return ModelRef(entry.id, entry.dtype, entry.max_tokens)


async def _context(request: Request) -> AppContext:
    return cast(AppContext, request.app.state.context)


AppContextDep = Annotated[AppContext, Depends(_context)]
"""The type of a route's parameter that is given the `AppContext`."""
