"""One conversation or text: measure it, find it again, forget it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy import Row

from attention.definitions import METRIC_NAMES
from models.identifiers import new_identifier
from models.queries.reading.aggregates import count_analyses
from models.queries.reading.analyses import AnalysisPosition, list_analyses
from models.queries.writing.analysis_submission import submit_analysis
from models.queries.writing.deletion import delete_analysis
from models.queries.writing.relabelling import relabel_document
from models.queries.writing.submission import NewDocument, SubmissionOptions
from models.schemas.analyses import Analysis, AnalysisChanges, AnalysisEntry, AnalysisRequest
from models.schemas.documents import characters_of
from models.schemas.jobs import Job
from models.schemas.listing import CountedPage, Page, Total
from models.schemas.strings import Storable
from service.auth.tenant import Secured, Tenant
from service.context import AppContextDep
from service.http.answers import JsonAnswer
from service.http.bodies import JsonRoute
from service.http.cursors import Value
from service.http.filters import OPEN_ENDED, AnalysisQuery
from service.http.headers import PreferHeader, read_preference
from service.http.openapi import CREATING, FAILED_WORK, WRITING, header_docs, problems
from service.http.paging import Cursor, Limit, ListOrder, read_page
from service.http.problems import (
    BAD_CURSOR,
    DOCUMENT_TOO_LARGE,
    INVALID_REQUEST,
    NOT_FOUND,
    STILL_IN_USE,
    field_problem,
)
from service.jobs.content import content_of_request
from service.jobs.responses import answer_by_analysis, present_analysis
from service.jobs.submission import document_within_limits, submission_options
from service.views.resources import analysis_entry

router = APIRouter(prefix="/v1/analyses", tags=["analyses"], route_class=JsonRoute, dependencies=[Secured])

_PREFERRED = header_docs(Preference_Applied="Which part of `Prefer` was followed.")
_DONE = {
    "description": "The analysis; its address is in `Location`.",
    "headers": header_docs(Location="Where the analysis is.") | _PREFERRED,
}
_ACCEPTED = {
    "model": Job,
    "description": "Not done in time: the job.",
    "headers": header_docs(Location="Where the job is.", Retry_After="Seconds until it is worth asking.") | _PREFERRED,
}


@router.post(
    "",
    status_code=201,
    response_model=Analysis | Job,
    responses={
        201: _DONE | {"model": Analysis},
        202: _ACCEPTED,
        **problems(*CREATING, DOCUMENT_TOO_LARGE, *FAILED_WORK),
    },
)
async def create_analysis(
    body: AnalysisRequest,
    context: AppContextDep,
    submission: Annotated[SubmissionOptions, Depends(submission_options)],
    prefer: PreferHeader = None,
) -> Response:
    """Measure one conversation or text, and wait for it (30 seconds unless `Prefer` says otherwise).

    A document that cannot be measured answers with its own problem.
    """
    if body.transcript is None:
        content, reading = content_of_request(body)
    else:
        content, reading = await asyncio.to_thread(content_of_request, body)
    document_within_limits(context.settings, content)
    sent = NewDocument(content, characters_of(content), body.external_id, body.domain, body.labels, reading)
    kept = body.model_dump(mode="json", exclude={*body.INPUTS})
    served = context.served(body.model)
    preference = read_preference(prefer, context.settings.wait_seconds)
    job_id = new_identifier("job")
    with context.watcher.watch(job_id) as watch:
        submitted = await context.database.single(
            submit_analysis, submission, job_id, sent, served, body.options(), kept
        )
        context.wakeups.send(submitted.wakeups)
        if submitted.wakeups:  # nothing can have been made of it yet
            changes = watch.changes(preference.seconds)
        else:
            changes = context.watcher.changes(submitted.job_id, preference.seconds)
        return await answer_by_analysis(context, submission, submitted.job_id, changes, preference)


class ListQuery(AnalysisQuery):
    """The filters of a list, beside what else a list knows."""

    KNOWN = AnalysisQuery.KNOWN | {"sort", "cursor", "limit", "count"}


@router.get("", responses=problems(BAD_CURSOR), openapi_extra={"parameters": OPEN_ENDED})
async def get_analyses(
    context: AppContextDep,
    tenant: Tenant,
    query: Annotated[ListQuery, Depends()],
    sort: Annotated[str, Query(description="`-created_at`, a metric, or `-` and a metric.")] = "-created_at",
    limit: Limit = 50,
    cursor: Cursor = None,
    count: Annotated[bool, Query(description="Also say how many match in all.")] = False,
) -> Page[AnalysisEntry] | CountedPage[AnalysisEntry]:
    """Analyses by filter, newest first or by a metric; undefined values come last."""
    metric = None if sort == "-created_at" else sort.removeprefix("-")
    if metric is not None and metric not in METRIC_NAMES:
        known = f"Sort by `-created_at` or a metric ({', '.join(METRIC_NAMES)}), with `-` for the largest first."
        raise field_problem(INVALID_REQUEST, "query:sort", known)

    def values(row: Row[Any]) -> tuple[Value, ...]:
        return row.created_at, row.id, None if metric is None else row.place

    async def read(after: AnalysisPosition | None, limit: int) -> Sequence[Row[Any]]:
        return await context.database.run(
            list_analyses,
            tenant,
            query.filter,
            metric=metric,
            descending=sort.startswith("-"),
            after=after,
            limit=limit,
        )

    name = sort if query.filter.layer is None else f"{sort} of layer {query.filter.layer}"
    order = ListOrder(name, (datetime, str, float), values, AnalysisPosition)
    page = await read_page(order, cursor, limit, read, analysis_entry)
    if not count:
        return page
    value, exact = await context.database.read(count_analyses, tenant, query.filter)
    return CountedPage(items=page.items, next=page.next, total=Total(value=value, exact=exact))


@router.patch("/{analysis_id}", response_model=Analysis, responses=problems(*WRITING, NOT_FOUND))
async def change_analysis(
    analysis_id: Storable, body: AnalysisChanges, context: AppContextDep, tenant: Tenant
) -> Response:
    """File the document elsewhere: what is given is changed, null takes it away, and nothing is measured.

    These are the document's, so that all its analyses show them. Comparisons that are done stay as they are.
    """
    await context.database.run(relabel_document, tenant, analysis_id, body.changes())
    return JsonAnswer(await present_analysis(context, tenant, analysis_id), 200)


@router.delete("/{analysis_id}", status_code=204, responses=problems(NOT_FOUND, STILL_IN_USE))
async def remove_analysis(analysis_id: Storable, context: AppContextDep, tenant: Tenant) -> None:
    """Forget one analysis; the last one that uses a measurement takes it along."""
    await context.database.run(delete_analysis, tenant, analysis_id)
