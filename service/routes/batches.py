"""Batches: every document of a data set under one model."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from models.queries.writing.submission import SubmissionOptions, submit_batch
from models.schemas.jobs import BatchRequest, Job
from service.auth.tenant import Secured
from service.context import AppContextDep
from service.http.bodies import JsonRoute
from service.http.headers import PreferHeader, read_preference
from service.http.openapi import ACCEPTED, CREATING, problems
from service.http.problems import DATASET_UNKNOWN, JOB_CANCELLED, NO_DOCUMENTS
from service.jobs.responses import answer_by_job
from service.jobs.submission import submission_options

router = APIRouter(prefix="/v1/batches", tags=["batches"], route_class=JsonRoute, dependencies=[Secured])


@router.post(
    "", status_code=202, responses={202: ACCEPTED, **problems(*CREATING, DATASET_UNKNOWN, NO_DOCUMENTS, JOB_CANCELLED)}
)
async def create_batch(
    body: BatchRequest,
    response: Response,
    context: AppContextDep,
    submission: Annotated[SubmissionOptions, Depends(submission_options)],
    prefer: PreferHeader = None,
) -> Job:
    """Measure every document of a data set, or of one domain of it. Answers at once unless `Prefer: wait=N` asks."""
    served = context.served(body.model)
    request = body.model_dump(mode="json") | {"model": served.id}
    submitted = await context.database.run(
        submit_batch, submission, body.dataset_id, body.domain, served, body.options(), request
    )
    context.wakeups.send(submitted.wakeups)
    return await answer_by_job(context, submission, submitted.job_id, read_preference(prefer, 0.0), response)
