"""Every analysis that matches, as one file, streamed while it is read from the database."""

from asyncio import to_thread
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection, Row

from models.queries.reading.analyses import AnalysisPosition, list_analyses, list_analyses_with_layers
from models.queries.reading.filters import AnalysisFilter
from service.auth.tenant import Secured, Tenant
from service.context import AppContext, AppContextDep
from service.http.bodies import JsonRoute
from service.http.filters import OPEN_ENDED, AnalysisQuery
from service.http.openapi import header_docs, problems
from service.views.exports import EXPORTS, Export, ExportRow

router = APIRouter(prefix="/v1/exports", tags=["analyses"], route_class=JsonRoute, dependencies=[Secured])

PAGE_ROWS = 200
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FILE = {
    "description": "One row an analysis, or with `include=layers` one row a layer.",
    "headers": header_docs(Content_Disposition="The file's name."),
    "content": {"application/vnd.apache.parquet": _BINARY, "text/csv": {}, "application/x-ndjson": {}},
}


class ExportQuery(AnalysisQuery):
    """The filters of a list, and what else an export knows."""

    KNOWN = AnalysisQuery.KNOWN | {"include"}


@router.get(
    "/analyses.{extension}",
    response_class=StreamingResponse,
    responses={200: _FILE, **problems()},
    openapi_extra={"parameters": OPEN_ENDED},
)
async def export_analyses(
    extension: Literal["parquet", "csv", "jsonl"],
    context: AppContextDep,
    tenant: Tenant,
    query: Annotated[ExportQuery, Depends()],
    include: Annotated[
        Literal["layers"] | None, Query(description="`layers`: one row a layer, with its number and its metrics.")
    ] = None,
) -> Response:
    """Every analysis that matches, oldest first, as Parquet, CSV or JSON Lines.

    A file that breaks off was not written to its end: the connection is then closed without the last chunk.
    """
    layers = include == "layers"
    pages = _pages(context, tenant, query.filter, layers)
    nothing: list[ExportRow] = []
    first = await anext(pages, nothing)  # here, so that a database that is away is a problem and no broken file
    export = EXPORTS[extension](layers)
    name = f"analyses{'-layers' if layers else ''}.{extension}"
    return StreamingResponse(
        _written(export, first, pages),
        media_type=export.media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"},
    )


async def _written(
    export: Export, first: list[ExportRow], pages: AsyncGenerator[list[ExportRow], None]
) -> AsyncIterator[bytes]:
    async with aclosing(pages):
        yield await to_thread(export.add, first)
        async for lines in pages:
            yield await to_thread(export.add, lines)
        yield await to_thread(export.end)


async def _pages(
    context: AppContext, tenant: str, wanted: AnalysisFilter, layers: bool
) -> AsyncGenerator[list[ExportRow], None]:
    """The rows of the file, each page in a transaction of its own: no connection is held for a slow reader."""
    after: AnalysisPosition | None = None
    while True:
        read = _page_of_layers if layers else _page
        last, lines = await context.database.read(read, tenant, wanted, after)
        if last is None:
            return
        yield lines
        after = AnalysisPosition(last.created_at, last.id)


def _page(
    connection: Connection, tenant: str, wanted: AnalysisFilter, after: AnalysisPosition | None
) -> tuple[Row[Any] | None, list[ExportRow]]:
    """The last analysis of the page, None where it has none, and the file's rows."""
    rows = list_analyses(connection, tenant, wanted, metric=None, descending=False, after=after, limit=PAGE_ROWS)
    return (rows[-1] if rows else None), [ExportRow(row) for row in rows]


def _page_of_layers(
    connection: Connection, tenant: str, wanted: AnalysisFilter, after: AnalysisPosition | None
) -> tuple[Row[Any] | None, list[ExportRow]]:
    """The same with a row for each layer."""
    found = list_analyses_with_layers(connection, tenant, wanted, after=after, limit=PAGE_ROWS)
    return (found[-1][0] if found else None), [ExportRow(row, layer) for row, layers in found for layer in layers]
