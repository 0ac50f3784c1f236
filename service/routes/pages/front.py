"""The pages for people: the front page and the problem types."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from service.context import AppContextDep
from service.http.problems import NOT_FOUND, PROBLEM_TYPES, Problem
from service.pages.html import SECURITY_HEADERS, front_page, problem_page, problems_page

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/")
async def get_front_page(request: Request, context: AppContextDep) -> HTMLResponse:
    """What this is and how to begin."""
    page = front_page(context.entries, str(request.base_url), context.settings.auth == "keys")
    return HTMLResponse(page, headers=SECURITY_HEADERS)


@router.get("/problems/")
async def get_problems() -> HTMLResponse:
    """Every problem type."""
    return HTMLResponse(problems_page(), headers=SECURITY_HEADERS)


@router.get("/problems/{name}")
async def get_problem(name: str) -> HTMLResponse:
    """One problem type."""
    kind = PROBLEM_TYPES.get(name)
    if kind is None:
        raise Problem(NOT_FOUND, "There is no such problem; /problems/ lists all.")
    return HTMLResponse(problem_page(kind), headers=SECURITY_HEADERS)
