"""Files of a comparison: the report as a page and as text, all numbers as a table, and the figures.

The page is made with the result. The others are made by a worker at the first request, and kept.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Response
from sqlalchemy import Connection, Row

from models.errors import NotFound, found
from models.queries.reading.comparisons import comparison_outline, read_comparison_file
from models.schemas.comparisons import Figure, Figures
from models.schemas.strings import Storable
from models.states import JobState
from service.auth.tenant import Secured, Tenant
from service.context import AppContext, AppContextDep
from service.http.bodies import JsonRoute
from service.http.openapi import problems
from service.http.problems import MODEL_BUSY, NO_RESULT_YET, NOT_FOUND, Problem
from service.jobs.inquiries import answer_of

router = APIRouter(prefix="/v1/comparisons", tags=["comparisons"], route_class=JsonRoute, dependencies=[Secured])

# The report is a page of its own with scripts inside: it may run them, and reach nothing else.
HEADERS = {
    "Content-Security-Policy": "sandbox allow-scripts allow-downloads allow-popups; default-src 'none'; "
    "script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
    "frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
MADE = problems(NOT_FOUND, NO_RESULT_YET, MODEL_BUSY)


@router.get(
    "/{comparison_id}/report",
    response_class=Response,
    responses={
        200: {"description": "One self-contained page.", "content": {"text/html": {}}},
        **problems(NOT_FOUND, NO_RESULT_YET),
    },
)
async def get_report(comparison_id: Storable, context: AppContextDep, tenant: Tenant) -> Response:
    """The report: one HTML page that works without a network."""
    return await _file(context, tenant, comparison_id, "report.html")


@router.get(
    "/{comparison_id}/report.md",
    response_class=Response,
    responses={200: {"description": "The report as Markdown.", "content": {"text/markdown": {}}}, **MADE},
)
async def get_report_text(comparison_id: Storable, context: AppContextDep, tenant: Tenant) -> Response:
    """The report as Markdown, for a repository or a terminal."""
    return await _file(context, tenant, comparison_id, "report.md", make=True)


@router.get(
    "/{comparison_id}/numbers.{extension}",
    response_class=Response,
    responses={
        200: {
            "description": "Every number, one a row.",
            "content": {"text/csv": {}, "application/vnd.apache.parquet": {}},
        },
        **MADE,
    },
)
async def get_numbers(
    comparison_id: Storable, extension: Literal["csv", "parquet"], context: AppContextDep, tenant: Tenant
) -> Response:
    """Every number of a comparison in one long table."""
    return await _file(context, tenant, comparison_id, f"numbers.{extension}", make=True)


@router.get("/{comparison_id}/figures", responses=problems(NOT_FOUND, NO_RESULT_YET))
async def get_figures(comparison_id: Storable, context: AppContextDep, tenant: Tenant) -> Figures:
    """The figures of a comparison, and where each is in each form."""
    address = f"/v1/comparisons/{comparison_id}/figures"
    names = await _figure_names(context, tenant, comparison_id)
    return Figures(
        items=[
            Figure(name=name, **{form: f"{address}/{name}.{form}" for form in ("svg", "png", "pdf")}) for name in names
        ]
    )


@router.get(
    "/{comparison_id}/figures/{name}.{extension}",
    response_class=Response,
    responses={
        200: {"description": "The figure.", "content": {"image/svg+xml": {}, "image/png": {}, "application/pdf": {}}},
        **MADE,
    },
)
async def get_figure(
    comparison_id: Storable,
    name: Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,80}$")],
    extension: Literal["svg", "png", "pdf"],
    context: AppContextDep,
    tenant: Tenant,
) -> Response:
    """One figure of a comparison, drawn for print (PNG at 300 dots an inch)."""
    if name not in await _figure_names(context, tenant, comparison_id):
        raise NotFound(
            f"The comparison {comparison_id} has no figure {name}; its `figures` lists those that there are."
        )
    return await _file(context, tenant, comparison_id, f"{name}.{extension}", make=True)


async def _figure_names(context: AppContext, tenant: str, comparison_id: str) -> list[str]:
    row = await context.database.run(succeeded, tenant, comparison_id)
    return list(row.figures or ())


def succeeded(connection: Connection, tenant: str, comparison_id: str) -> Row[Any]:
    """The outline of a comparison that has its result. Raises NotFound, or a `Problem` where there is none yet.

    What reads more of the result does so in the same transaction.
    """
    row = found(comparison_outline(connection, tenant, comparison_id), "comparison", comparison_id)
    if row.state != JobState.SUCCEEDED:
        raise Problem(
            NO_RESULT_YET, f"The comparison is {row.state}; its job is {row.job_id}.", job=f"/v1/jobs/{row.job_id}"
        )
    return row


async def _file(context: AppContext, tenant: str, comparison_id: str, name: str, *, make: bool = False) -> Response:
    """A kept file; with `make` a worker makes it first where there is none."""
    file = await context.database.read(_kept_file, tenant, comparison_id, name)
    if file is None and make:
        inquiry = {"comparison_id": comparison_id, "name": name}
        await answer_of(context, tenant, None, "comparison_file", inquiry)
        file = await context.database.read(_kept_file, tenant, comparison_id, name)
    if file is None:
        raise NotFound(f"The comparison {comparison_id} has no {name}.")
    kind, body = file
    return Response(body, media_type=kind, headers=HEADERS)


def _kept_file(connection: Connection, tenant: str, comparison_id: str, name: str) -> tuple[str, bytes] | None:
    """A file that is kept. One that is not is missing only where the comparison, at that moment, had its result."""
    file = read_comparison_file(connection, tenant, comparison_id, name)
    if file is None:
        succeeded(connection, tenant, comparison_id)
    return file
