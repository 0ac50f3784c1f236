"""The contract as a page to read and try."""

from typing import Final

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response

from service.http.problems import NOT_FOUND, Problem
from service.pages.swagger import FILES, HEADERS, SCRIPT, place_of, reference_page

KEPT: Final = {"Cache-Control": "public, max-age=86400"}

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def get_reference() -> HTMLResponse:
    """Every route and field, and a way to try them."""
    return HTMLResponse(reference_page(), headers=HEADERS)


@router.get("/docs/start.js")
async def get_start() -> Response:
    """What opens the contract in Swagger UI."""
    return Response(SCRIPT, media_type="text/javascript", headers=HEADERS | KEPT)


@router.get("/docs/{name}")
async def get_file(name: str) -> FileResponse:
    """One of the files that Swagger UI consists of."""
    if name not in FILES:
        raise Problem(NOT_FOUND, "There is no such file; /docs is the page.")
    return FileResponse(place_of(name), media_type=FILES[name], headers=HEADERS | KEPT)
