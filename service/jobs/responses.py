"""Following a job to its end, and answering by what became of it."""

from asyncio import to_thread
from collections.abc import Sequence, Set
from contextlib import aclosing

from fastapi import Response

from models.errors import KeyForgotten, NotFound
from models.queries.reading.analyses import analysis_of_job, find_analysis, flow_of, layers_of, turns_of
from models.queries.reading.jobs import find_job, job_state
from models.schemas.analyses import Analysis
from models.schemas.jobs import Job
from models.states import UNFINISHED, JobState
from service.context import Context
from service.http.headers import Preference
from service.http.problems import INVALID_REQUEST, JOB_CANCELLED, PROBLEM_TYPES, Problem, failure, field_problem
from service.views.resources import analysis_view, job_view

MOST_FLOW = 2**22 + 2**11
"""Numbers of a flow in one answer: one layer of the most turns for which it is kept."""


async def wait_for_job(here: Context, tenant: str, job_id: str, seconds: float) -> str:
    """Wait until the job is finished, at most so long; returns its state. Raises `NotFound`."""
    state = ""
    async with aclosing(here.watcher.changes(job_id, seconds)) as changes:
        async for _ in changes:
            row = await here.database.run(job_state, tenant, job_id)
            if row is None:
                raise NotFound(f"There is no job {job_id}.")
            state = row.state
            if state not in UNFINISHED:
                break
    return state


async def present_job(here: Context, tenant: str, job_id: str) -> Job:
    """The job as it is now. Raises `NotFound`."""
    row = await here.database.run(find_job, tenant, job_id)
    if row is None:
        raise NotFound(f"There is no job {job_id}.")
    return job_view(row)


async def present_analysis(
    here: Context, tenant: str, analysis_id: str, *, parts: Set[str] = frozenset(), layer: int | None = None
) -> Analysis:
    """The analysis with its layers, and with `parts` of what else is stored; the flow of all layers or of one.

    Raises `NotFound`, or a `Problem` where there is no such layer or the flow is too large for one answer.
    """
    row = await here.database.run(find_analysis, tenant, analysis_id)
    if row is None:
        raise NotFound(f"There is no analysis {analysis_id}.")
    layers = await here.database.run(layers_of, [row.measurement_id], heads="heads" in parts)
    turns = await here.database.run(turns_of, row.measurement_id) if parts & {"flow", "turns"} else ()
    flows: Sequence[Sequence[float] | None] = ()
    if "flow" in parts and row.turns is not None:
        _flow_within_limits(len(layers), row.turns, layer)
        flows = await here.database.run(flow_of, row.measurement_id, layer)
    return await to_thread(analysis_view, row, layers, turns, flows, parts=parts, layer=layer)


def _flow_within_limits(layers: int, turns: int, layer: int | None) -> None:
    if layer is not None and layer >= layers:
        raise field_problem(INVALID_REQUEST, "query:layer", f"There is no layer {layer}; the last one is {layers - 1}.")
    numbers = turns * (turns + 1) * (layers if layer is None else 1)
    if numbers > MOST_FLOW:
        raise field_problem(
            PROBLEM_TYPES["detail-too-large"],
            "query:layer",
            f"The flow between {turns} turns has {numbers} numbers in {layers if layer is None else 1} layers; at most "
            f"{MOST_FLOW} are given out at once. Ask for one layer at a time with `layer`.",
            limit=MOST_FLOW,
            actual=numbers,
        )


async def answer_by_analysis(
    here: Context, tenant: str, job_id: str, preference: Preference, response: Response
) -> Analysis | Job:
    """The analysis that the job made (201), or the job where it is not done in time (202).

    Raises the problem of work that failed or was cancelled, and `KeyForgotten` where a replayed answer is gone.
    """
    response.headers.update(preference.headers)
    try:
        state = await wait_for_job(here, tenant, job_id, preference.seconds)
    except NotFound:
        raise KeyForgotten from None
    if state in UNFINISHED:
        return await answer_by_job(here, tenant, job_id, response)
    if state == JobState.CANCELLED:
        raise Problem(JOB_CANCELLED, headers=preference.headers, job=f"/v1/jobs/{job_id}")
    analysis_id = await here.database.run(analysis_of_job, tenant, job_id)
    if analysis_id is None:
        row = await here.database.run(job_state, tenant, job_id)
        if row is None or row.state == JobState.SUCCEEDED:
            raise KeyForgotten
        problem = failure(row.reason, row.message)
        problem.members["job"] = f"/v1/jobs/{job_id}"
        problem.headers.update(preference.headers)
        raise problem
    response.status_code = 201
    response.headers["Location"] = f"/v1/analyses/{analysis_id}"
    return await present_analysis(here, tenant, analysis_id)


async def answer_by_job(here: Context, tenant: str, job_id: str, response: Response) -> Job:
    """The job as it is now (202), with where and when to look again."""
    job = await present_job(here, tenant, job_id)
    response.status_code = 202
    response.headers["Location"] = f"/v1/jobs/{job_id}"
    if job.state in UNFINISHED:
        response.headers["Retry-After"] = "1"
    return job
