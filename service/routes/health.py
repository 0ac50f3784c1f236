"""Whether the service is alive, whether it can serve, and what it counts."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from models.database_errors import from_database, over_own_limit
from models.queries.reading.model_status import live_workers, schema_revision
from service.context import AppContext, AppContextDep
from service.http.metrics import RequestMetrics
from service.http.openapi import problems
from service.http.problems import NOT_READY, Problem
from service.signals.broker_health import broker_answers

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def get_health() -> dict[str, str]:
    """Alive: this process answers."""
    return {"status": "alive"}


@router.get("/readyz", responses=problems(NOT_READY))
async def get_readiness(context: AppContextDep) -> dict[str, Any]:
    """Ready: the database is there and migrated, the broker answers, each model has a live worker."""
    database, workers = await _database(context)
    broker = await asyncio.to_thread(broker_answers, context.settings.broker_url)
    missing = [entry.id for entry in context.entries if not workers.get(entry.id)]
    checks = {
        "database": database,
        "broker": "ok" if broker else "does not answer",
        "workers": {entry.id: workers.get(entry.id, 0) for entry in context.entries},
    }
    if database != "ok" or not broker or missing:
        faults = [f"the database {database}"] if database != "ok" else []
        faults += [] if broker else ["the broker does not answer"]
        faults += [f"no live worker for {', '.join(missing)}"] if missing else []
        raise Problem(NOT_READY, "; ".join(faults) + ".", checks=checks, headers={"Retry-After": "2"})
    return {"status": "ready", "checks": checks}


async def _database(context: AppContext) -> tuple[str, dict[str, int]]:
    """What is wrong with the database, or `ok`, and how many live workers each model has.

    A database that answers too late, by a limit of ours, is there: the workers are then those of the last time.
    """
    try:
        if await context.database.run(schema_revision) is None:
            return "is not migrated", {}
        counted = await context.database.run(live_workers, context.settings.worker_alive_seconds)
        context.live_workers = dict(counted)
    except Exception as error:
        if not from_database(error):
            raise
        if not over_own_limit(error):
            return "cannot be reached", {}
    return "ok", context.live_workers


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "Prometheus' text format.", "content": {"text/plain": {}}}},
)
async def get_metrics(request: Request, context: AppContextDep) -> Response:
    """Counters of this process for Prometheus, and the live workers."""
    metrics: RequestMetrics = request.app.state.metrics
    metrics.waiting.set(context.watcher.waiting)
    _, workers = await _database(context)
    for entry in context.entries:
        metrics.workers.labels(entry.id).set(workers.get(entry.id, 0))
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)
