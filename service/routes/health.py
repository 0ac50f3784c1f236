"""Whether the service is alive, whether it can serve, and what it counts."""

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from models.database_errors import from_database, over_own_limit
from models.queries.reading.model_status import readiness, schema_revision
from models.queries.search.segments import vectors_waiting
from models.states import ModelState
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
    """Ready: database and broker answer, and a live worker has the default model loaded. Says every model's state.

    Where the default model cannot be measured, the first that can be takes its place.
    """
    database, workers, states = await _database(context)
    broker = await asyncio.to_thread(broker_answers, context.settings.broker_url)
    models = {entry.id: states.get(entry.id, ModelState.REGISTERED) for entry in context.entries}
    checks = {
        "database": database,
        "broker": "ok" if broker else "does not answer",
        "workers": {model_id: workers.get(model_id, 0) for model_id in models},
        "models": models,
    }
    wanted = next((model_id for model_id, state in models.items() if state != ModelState.REFUSED), None)
    faults = [f"the database {database}"] if database != "ok" else []
    faults += [] if broker else ["the broker does not answer"]
    if wanted is None:
        faults.append("every model is refused")
    elif not workers.get(wanted):
        faults.append(f"no live worker for {wanted}")
    elif models[wanted] != ModelState.READY:
        faults.append(f"{wanted} is {models[wanted]}")
    if faults:
        raise Problem(NOT_READY, "; ".join(faults) + ".", checks=checks, headers={"Retry-After": "2"})
    return {"status": "ready", "checks": checks}


async def _database(context: AppContext) -> tuple[str, Mapping[str, int], Mapping[str, ModelState]]:
    """What is wrong with the database, or `ok`; how many live workers each model has, and each model's state.

    A database that answers too late, by a limit of ours, is there: the rest is then as it was the last time.
    """
    try:
        if await context.database.run(schema_revision) is None:
            return "is not migrated", {}, {}
        context.readiness = await context.database.read(readiness, context.settings.worker_alive_seconds)
    except Exception as error:
        if not from_database(error):
            raise
        if not over_own_limit(error):
            return "cannot be reached", {}, {}
    return "ok", *context.readiness


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "Prometheus' text format.", "content": {"text/plain": {}}}},
)
async def get_metrics(request: Request, context: AppContextDep) -> Response:
    """Counters of this process for Prometheus, the live workers, and the vectors that wait for a graph."""
    metrics: RequestMetrics = request.app.state.metrics
    metrics.waiting.set(context.watcher.waiting)
    database, workers, _ = await _database(context)
    for entry in context.entries:
        metrics.workers.labels(entry.id).set(workers.get(entry.id, 0))
    if database == "ok":
        for place, waiting in (await context.database.single(vectors_waiting)).items():
            metrics.vectors.labels(*place).set(waiting)
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)
