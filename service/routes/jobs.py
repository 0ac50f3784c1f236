"""Jobs: how far each is, its events as they come, what failed; cancelling and forgetting."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Row

from models.errors import found
from models.queries.reading.jobs import Position, find_job, list_failures, list_jobs
from models.queries.writing.cancellation import cancel_and_find_job
from models.queries.writing.deletion import delete_job
from models.schemas.jobs import Failure, Job, JobKind
from models.schemas.listing import Page
from models.schemas.strings import Storable
from models.states import UNFINISHED, JobState
from service.auth.tenant import Secured, Tenant
from service.context import AppContext, AppContextDep
from service.http.bodies import JsonRoute
from service.http.headers import PreferHeader, read_preference
from service.http.openapi import header_docs, problems
from service.http.paging import Cursor, Limit, by_number, newest_first, read_page
from service.http.problems import BAD_CURSOR, NOT_FOUND
from service.jobs.responses import present_job, wait_for_job
from service.views.resources import failure_view, job_view

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=JsonRoute, dependencies=[Secured])

EVENT_SECONDS = 0.5  # at most two events a second, however fast the documents are
LOOK_SECONDS = 2.0  # a notice comes when a job ends, and progress is looked for
STREAM_SECONDS = 3600.0  # then the client connects again, as event sources do by themselves


@router.get("", responses=problems(BAD_CURSOR))
async def get_jobs(
    context: AppContextDep,
    tenant: Tenant,
    kind: Annotated[JobKind | None, Query()] = None,
    state: Annotated[JobState | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Job]:
    """Jobs, newest first."""

    async def read(after: Position | None, limit: int) -> Sequence[Row[Any]]:
        return await context.database.read(list_jobs, tenant, kind=kind, state=state, after=after, limit=limit)

    return await read_page(newest_first("jobs"), cursor, limit, read, job_view)


@router.get(
    "/{job_id}",
    responses={
        200: {"headers": header_docs(Preference_Applied="Which part of `Prefer` was followed.")},
        **problems(NOT_FOUND),
    },
)
async def get_job(
    job_id: Storable, response: Response, context: AppContextDep, tenant: Tenant, prefer: PreferHeader = None
) -> Job:
    """One job. With `Prefer: wait=N` the answer waits until the job is finished, N seconds at most."""
    preference = read_preference(prefer, 0.0)
    response.headers.update(preference.headers)
    await wait_for_job(context, tenant, job_id, preference.seconds)
    job = await present_job(context, tenant, job_id)
    if job.state in UNFINISHED:
        response.headers["Retry-After"] = "1"
    return job


@router.get(
    "/{job_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "`progress` events with the job as data, then one named for its last state.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **problems(NOT_FOUND),
    },
)
async def get_job_events(job_id: Storable, context: AppContextDep, tenant: Tenant) -> Response:
    """The job as a stream of events (server-sent), at most two a second, until it is finished."""
    await present_job(context, tenant, job_id)
    return StreamingResponse(
        _events(context, tenant, job_id),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(context: AppContext, tenant: str, job_id: str) -> AsyncIterator[str]:
    told = ""
    events = context.watcher.changes(job_id, STREAM_SECONDS, pause=EVENT_SECONDS, every=LOOK_SECONDS)
    async with aclosing(events) as changes:
        async for _ in changes:
            row = await context.database.run(find_job, tenant, job_id)
            if row is None:
                yield "event: deleted\ndata: {}\n\n"
                return
            job = job_view(row)
            name = "progress" if job.state in UNFINISHED else job.state
            news = job.model_dump_json(exclude={"progress": {"tokens_per_second", "eta_seconds"}})
            if news == told:
                yield ": still there\n\n"
            else:
                told = news
                yield f"event: {name}\ndata: {json.dumps(job.model_dump(mode='json'))}\n\n"
            if name != "progress":
                return


@router.get("/{job_id}/failures", responses=problems(NOT_FOUND, BAD_CURSOR))
async def get_job_failures(
    job_id: Storable, context: AppContextDep, tenant: Tenant, limit: Limit = 50, cursor: Cursor = None
) -> Page[Failure]:
    """The documents of a job that could not be measured, each with its reason."""

    async def read(after: int | None, limit: int) -> Sequence[Row[Any]]:
        failed = await context.database.read(list_failures, tenant, job_id, after=after, limit=limit)
        return found(failed, "job", job_id)

    return await read_page(by_number("failures", "id"), cursor, limit, read, failure_view)


@router.post("/{job_id}/cancel", responses=problems(NOT_FOUND))
async def cancel_job(job_id: Storable, context: AppContextDep, tenant: Tenant) -> Job:
    """Cancel a job: what waits is dropped at once, what runs is broken off between two passes. A finished job stays."""
    return job_view(found(await context.database.run(cancel_and_find_job, tenant, job_id), "job", job_id))


@router.delete("/{job_id}", status_code=204, responses=problems(NOT_FOUND))
async def remove_job(job_id: Storable, context: AppContextDep, tenant: Tenant) -> None:
    """Forget a job in whatever state, with its analyses and, where it is one, its comparison."""
    await context.database.run(delete_job, tenant, job_id)
