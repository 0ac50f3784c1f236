"""Following a job to its end, and answering with what it made."""

from asyncio import to_thread
from collections.abc import AsyncGenerator, Set
from contextlib import aclosing
from typing import Any

from fastapi import Response
from sqlalchemy import Row

from models.errors import KeyForgotten, Refused, found
from models.queries.reading.analyses import StoredAnalysis, by_layer, flow_size, made_by_job, read_analysis
from models.queries.reading.jobs import find_job, job_state
from models.queries.writing.submission import SubmissionOptions
from models.schemas.jobs import Job
from models.states import UNFINISHED, JobState
from service.context import AppContext
from service.http.answers import JsonAnswer
from service.http.headers import Preference
from service.http.problems import INVALID_REQUEST, JOB_CANCELLED, PROBLEM_TYPES, Problem, failure, field_problem
from service.views.resources import analysis_view, job_view

MOST_NUMBERS = 2**22 + 2**11
"""The most in one answer: of a flow those of one layer with 2,048 turns, the most for which flow is stored."""


async def wait_for_job(context: AppContext, tenant: str, job_id: str, seconds: float) -> None:
    """Wait until the job is finished or deleted, at most so long."""
    async with aclosing(context.watcher.changes(job_id, seconds)) as changes:
        async for _ in changes:
            row = await context.database.single(job_state, tenant, job_id)
            if row is None or row.state not in UNFINISHED:
                return


async def present_job(context: AppContext, tenant: str, job_id: str) -> Job:
    """The job as it is now. Raises `NotFound`."""
    return job_view(found(await context.database.single(find_job, tenant, job_id), "job", job_id))


async def present_analysis(
    context: AppContext, tenant: str, analysis_id: str, *, parts: Set[str] = frozenset(), layer: int | None = None
) -> dict[str, Any]:
    """The `Analysis` with its layers, and with `parts` of what else is stored; the flow of all layers or of one.

    Raises `NotFound`, or a `Problem` where there is no such layer, or the flow or the vectors are too large for one
    answer.
    """
    read = context.database.read if parts else context.database.single
    row = await read(read_analysis, tenant, analysis_id, parts=parts, layer=layer, most_numbers=MOST_NUMBERS)
    stored = found(row, "analysis", analysis_id)
    if "flow" in parts:
        _flow_within_limits(stored, layer)
    if "embedding" in parts:
        _embeddings_within_limits(stored)
    if parts:
        return await to_thread(analysis_view, stored, parts=parts, layer=layer)
    return analysis_view(stored)


def _flow_within_limits(stored: StoredAnalysis, layer: int | None) -> None:
    layers, turns = len(stored.row._mapping[by_layer("layer")]), stored.row.turns
    if turns is None:
        return
    if layer is not None and layer >= layers:
        raise field_problem(INVALID_REQUEST, "query:layer", f"There is no layer {layer}; the last one is {layers - 1}.")
    read = layers if layer is None else 1
    numbers = flow_size(turns, read)
    if numbers > MOST_NUMBERS:
        said = f"The flow between {turns} turns has {numbers} numbers in {read} layers"
        raise _too_large("query:layer", said, numbers, " Ask for one layer at a time with `layer`.")


def _embeddings_within_limits(stored: StoredAnalysis) -> None:
    turns = stored.row.turns or 0
    numbers = turns * stored.row.dimension
    if numbers > MOST_NUMBERS:
        raise _too_large("query:include", f"The vectors of {turns} turns have {numbers} numbers", numbers)


def _too_large(pointer: str, said: str, numbers: int, remedy: str = "") -> Problem:
    return field_problem(
        PROBLEM_TYPES["detail-too-large"],
        pointer,
        f"{said}; at most {MOST_NUMBERS} are given out at once.{remedy}",
        limit=MOST_NUMBERS,
        actual=numbers,
    )


async def answer_by_analysis(
    context: AppContext,
    submission: SubmissionOptions,
    job_id: str,
    changes: AsyncGenerator[None, None],
    preference: Preference,
) -> Response:
    """The analysis that the job made (201), or the job where it is not done when its `changes` end (202).

    Raises the problem of work that failed, was cancelled or was deleted.
    """
    made = await _made(context, submission, job_id, changes)
    if isinstance(made, Job):
        headers = preference.headers | _where_to_ask(made)
        return JsonAnswer(made.model_dump(), 202, headers)
    if made.job_state == JobState.CANCELLED:
        raise Problem(JOB_CANCELLED, headers=preference.headers, job=f"/v1/jobs/{job_id}")
    if made.job_state == JobState.FAILED:
        problem = failure(made.job_reason, made.job_message)
        problem.members["job"] = f"/v1/jobs/{job_id}"
        problem.headers.update(preference.headers)
        raise problem
    if made.id is None:
        raise _deleted(submission)
    view = analysis_view(StoredAnalysis(made))
    return JsonAnswer(view, 201, preference.headers | {"Location": f"/v1/analyses/{made.id}"})


async def _made(
    context: AppContext, submission: SubmissionOptions, job_id: str, changes: AsyncGenerator[None, None]
) -> Row[Any] | Job:
    """What the job made, as `made_by_job`, once it is finished; the job where it is not. Raises the problem of none."""
    async with aclosing(changes):
        async for _ in changes:
            made = await context.database.single(made_by_job, submission.tenant_id, job_id)
            if made is None:
                raise _deleted(submission)
            if made.job_state not in UNFINISHED:
                return made
    row = await context.database.single(find_job, submission.tenant_id, job_id)
    if row is not None and row.state in UNFINISHED:
        return job_view(row)
    made = await context.database.single(made_by_job, submission.tenant_id, job_id)  # it ended just now
    if made is None:
        raise _deleted(submission)
    return made


async def answer_by_job(
    context: AppContext, submission: SubmissionOptions, job_id: str, preference: Preference, response: Response
) -> Job:
    """The job (202), once it is finished or the time that the client waits has passed.

    Raises the problem of a job that was deleted.
    """
    response.headers.update(preference.headers)
    await wait_for_job(context, submission.tenant_id, job_id, preference.seconds)
    row = await context.database.single(find_job, submission.tenant_id, job_id)
    if row is None:
        raise _deleted(submission)
    job = job_view(row)
    response.status_code = 202
    response.headers.update(_where_to_ask(job))
    return job


def _where_to_ask(job: Job) -> dict[str, str]:
    """The headers that say where and when to ask again."""
    return {"Location": f"/v1/jobs/{job.id}"} | ({"Retry-After": "1"} if job.state in UNFINISHED else {})


def _deleted(submission: SubmissionOptions) -> Refused | Problem:
    """The job, or its analysis, was deleted before the answer, or before its idempotency key was sent again."""
    if submission.idempotency is not None:
        return KeyForgotten()
    return Problem(JOB_CANCELLED, "The job, or what it made, was deleted before it could be answered.")
