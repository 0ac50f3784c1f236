"""Comparisons: groups of documents, or of models, against each other."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from sqlalchemy import Connection, Row

from models.errors import found
from models.queries.reading.comparisons import comparison_files, find_comparison, list_comparisons
from models.queries.reading.jobs import Position
from models.queries.reading.model_status import model_rows
from models.queries.writing.deletion import delete_comparison
from models.queries.writing.submission import GroupDocuments, SubmissionOptions, submit_comparison
from models.schemas.comparisons import SMALLEST_GROUP, Comparison, ComparisonEntry, ComparisonRequest
from models.schemas.jobs import Job
from models.schemas.listing import Page
from models.schemas.strings import Storable
from service.auth.tenant import Secured, Tenant
from service.context import AppContext, AppContextDep
from service.http.bodies import JsonRoute
from service.http.headers import PreferHeader, read_preference
from service.http.openapi import ACCEPTED, CREATING, problems
from service.http.paging import Cursor, Limit, newest_first, read_page
from service.http.problems import (
    BAD_CURSOR,
    DATASET_UNKNOWN,
    INVALID_REQUEST,
    JOB_CANCELLED,
    NOT_FOUND,
    TOO_FEW_DOCUMENTS,
    WINDOW_TOO_LARGE,
    field_problem,
)
from service.jobs.responses import answer_by_job
from service.jobs.submission import submission_options
from service.views.resources import comparison_entry, comparison_view

router = APIRouter(prefix="/v1/comparisons", tags=["comparisons"], route_class=JsonRoute, dependencies=[Secured])


@router.post(
    "",
    status_code=202,
    responses={
        202: ACCEPTED,
        **problems(*CREATING, DATASET_UNKNOWN, TOO_FEW_DOCUMENTS, WINDOW_TOO_LARGE, JOB_CANCELLED),
    },
)
async def create_comparison(
    body: ComparisonRequest,
    response: Response,
    context: AppContextDep,
    submission: Annotated[SubmissionOptions, Depends(submission_options)],
    prefer: PreferHeader = None,
) -> Job:
    """Compare groups. Answers at once without `Prefer: wait=N`; the job's `result` is the comparison's address."""
    groups = [
        GroupDocuments(
            name=group.name,
            dataset_id=group.dataset_id,
            domain=group.domain,
            model=context.served(group.model or body.model, f"/groups/{index}/model" if group.model else "/model"),
            limit=group.limit,
        )
        for index, group in enumerate(body.groups)
    ]
    settled = body.settled([group.model.id for group in groups], context.served(body.model).id)
    await _models_fit(context, settled, groups)
    request = settled.model_dump(mode="json")
    submitted = await context.database.run(
        submit_comparison, submission, groups, settled.options(), SMALLEST_GROUP, request, body.controls
    )
    context.wakeups.send(submitted.wakeups)
    return await answer_by_job(context, submission, submitted.job_id, read_preference(prefer, 0.0), response)


async def _models_fit(context: AppContext, request: ComparisonRequest, groups: list[GroupDocuments]) -> None:
    """Raise a `Problem` where a model, as far as it is known, reads less than a window or lacks a layer to map."""
    rows = await context.database.run(model_rows)
    for group in groups:
        facts = (rows[group.model.id].facts if group.model.id in rows else None) or {}
        known = [length for length in (group.model.max_tokens, facts.get("context")) if length]
        if request.window_characters is None and known and request.window_tokens > min(known):
            raise field_problem(
                WINDOW_TOO_LARGE,
                "/window_tokens",
                f"`window_tokens` is {request.window_tokens}; the model {group.model.id} reads {min(known)} at most.",
                limit=min(known),
                actual=request.window_tokens,
            )
        layers = facts.get("layers")
        if layers and request.map_layers and max(request.map_layers) >= layers:
            raise field_problem(
                INVALID_REQUEST,
                f"/map_layers/{request.map_layers.index(max(request.map_layers))}",
                f"The model {group.model.id} has layers 0 to {layers - 1}.",
            )


@router.get("", responses=problems(BAD_CURSOR))
async def get_comparisons(
    context: AppContextDep, tenant: Tenant, limit: Limit = 50, cursor: Cursor = None
) -> Page[ComparisonEntry]:
    """Comparisons without their results, newest first."""

    async def read(after: Position | None, limit: int) -> Sequence[Row[Any]]:
        return await context.database.run(list_comparisons, tenant, after=after, limit=limit)

    return await read_page(newest_first("comparisons"), cursor, limit, read, comparison_entry)


@router.get("/{comparison_id}", response_model_exclude_unset=True, responses=problems(NOT_FOUND))
async def get_comparison(comparison_id: Storable, context: AppContextDep, tenant: Tenant) -> Comparison:
    """One comparison; with its result once it has succeeded."""
    return comparison_view(*await context.database.read(_with_files, tenant, comparison_id))


def _with_files(connection: Connection, tenant: str, comparison_id: str) -> tuple[Row[Any], Sequence[str]]:
    row = found(find_comparison(connection, tenant, comparison_id), "comparison", comparison_id)
    return row, comparison_files(connection, comparison_id)


@router.delete("/{comparison_id}", status_code=204, responses=problems(NOT_FOUND))
async def remove_comparison(comparison_id: Storable, context: AppContextDep, tenant: Tenant) -> None:
    """Forget a comparison with its job, its analyses and its files."""
    await context.database.run(delete_comparison, tenant, comparison_id)
