"""Following a job to its end, and answering with what it made."""

from asyncio import to_thread
from collections.abc import Set
from contextlib import aclosing

from fastapi import Response

from models.errors import KeyForgotten, Refused, found
from models.queries.reading.analyses import StoredAnalysis, flow_size, job_with_analysis, read_analysis
from models.queries.reading.jobs import find_job, job_state
from models.queries.writing.submission import SubmissionOptions
from models.schemas.analyses import Analysis
from models.schemas.jobs import Job
from models.states import UNFINISHED, JobState
from service.context import AppContext
from service.http.headers import Preference
from service.http.problems import INVALID_REQUEST, JOB_CANCELLED, PROBLEM_TYPES, Problem, failure, field_problem
from service.views.resources import analysis_view, job_view

MOST_FLOW = 2**22 + 2**11
"""The most numbers of a flow in one answer: those of one layer with 2,048 turns, the most for which flow is stored."""


async def wait_for_job(context: AppContext, tenant: str, job_id: str, seconds: float) -> None:
    """Wait until the job is finished or deleted, at most so long."""
    async with aclosing(context.watcher.changes(job_id, seconds)) as changes:
        async for _ in changes:
            row = await context.database.run(job_state, tenant, job_id)
            if row is None or row.state not in UNFINISHED:
                return


async def present_job(context: AppContext, tenant: str, job_id: str) -> Job:
    """The job as it is now. Raises `NotFound`."""
    return job_view(found(await context.database.run(find_job, tenant, job_id), "job", job_id))


async def present_analysis(
    context: AppContext, tenant: str, analysis_id: str, *, parts: Set[str] = frozenset(), layer: int | None = None
) -> Analysis:
    """The analysis with its layers, and with `parts` of what else is stored; the flow of all layers or of one.

    Raises `NotFound`, or a `Problem` where there is no such layer or the flow is too large for one answer.
    """
    stored = found(
        await context.database.read(read_analysis, tenant, analysis_id, parts=parts, layer=layer, most_flow=MOST_FLOW),
        "analysis",
        analysis_id,
    )
    if "flow" in parts:
        _flow_within_limits(stored, layer)
    return await to_thread(analysis_view, stored, parts=parts, layer=layer)


def _flow_within_limits(stored: StoredAnalysis, layer: int | None) -> None:
    layers, turns = len(stored.layers), stored.row.turns
    if turns is None:
        return
    if layer is not None and layer >= layers:
        raise field_problem(INVALID_REQUEST, "query:layer", f"There is no layer {layer}; the last one is {layers - 1}.")
    read = layers if layer is None else 1
    numbers = flow_size(turns, read)
    if numbers > MOST_FLOW:
        raise field_problem(
            PROBLEM_TYPES["detail-too-large"],
            "query:layer",
            f"The flow between {turns} turns has {numbers} numbers in {read} layers; at most "
            f"{MOST_FLOW} are given out at once. Ask for one layer at a time with `layer`.",
            limit=MOST_FLOW,
            actual=numbers,
        )


async def answer_by_analysis(
    context: AppContext, submission: SubmissionOptions, job_id: str, preference: Preference, response: Response
) -> Analysis | Job:
    """The analysis that the job made (201), or the job where it is not done in time (202).

    Raises the problem of work that failed, was cancelled or was deleted.
    """
    response.headers.update(preference.headers)
    await wait_for_job(context, submission.tenant_id, job_id, preference.seconds)
    row, stored = await context.database.read(job_with_analysis, submission.tenant_id, job_id)
    if row is None:
        raise _deleted(submission)
    if row.state in UNFINISHED:
        return _accepted(job_view(row), response)
    if row.state == JobState.CANCELLED:
        raise Problem(JOB_CANCELLED, headers=preference.headers, job=f"/v1/jobs/{job_id}")
    if row.state == JobState.FAILED:
        problem = failure(row.reason, row.message)
        problem.members["job"] = f"/v1/jobs/{job_id}"
        problem.headers.update(preference.headers)
        raise problem
    if stored is None:
        raise _deleted(submission)
    response.status_code = 201
    response.headers["Location"] = f"/v1/analyses/{stored.row.id}"
    return await to_thread(analysis_view, stored)


async def answer_by_job(
    context: AppContext, submission: SubmissionOptions, job_id: str, preference: Preference, response: Response
) -> Job:
    """The job (202), once it is finished or the time that the client waits has passed.

    Raises the problem of a job that was deleted.
    """
    response.headers.update(preference.headers)
    await wait_for_job(context, submission.tenant_id, job_id, preference.seconds)
    row = await context.database.run(find_job, submission.tenant_id, job_id)
    if row is None:
        raise _deleted(submission)
    return _accepted(job_view(row), response)


def _accepted(job: Job, response: Response) -> Job:
    """The job, with where and when to ask again in the headers."""
    response.status_code = 202
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    if job.state in UNFINISHED:
        response.headers["Retry-After"] = "1"
    return job


def _deleted(submission: SubmissionOptions) -> Refused | Problem:
    """The job, or its analysis, was deleted before the answer, or before its idempotency key was sent again."""
    if submission.idempotency is not None:
        return KeyForgotten()
    return Problem(JOB_CANCELLED, "The job, or what it made, was deleted before it could be answered.")
