"""From exceptions to problem documents, for every request: ours, FastAPI's, the router's, the database's."""

import errno
import logging
import secrets

import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse
from starlette.routing import Match

from formats.errors import BadTranscript
from models.database_errors import database_is_away, in_one_line, over_own_limit, storage_is_full
from models.errors import Refused
from models.schemas.problems import FieldError
from service.auth.browser import is_navigation, login_address
from service.http.openapi import problem_response
from service.http.problems import (
    DATABASE_UNAVAILABLE,
    INTERNAL_ERROR,
    INVALID_REQUEST,
    MALFORMED_JSON,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    PROBLEM_TYPES,
    STORAGE_FULL,
    UNAUTHENTICATED,
    Problem,
    failure,
)
from service.http.validation import MOST_ERRORS, field_errors

log = logging.getLogger(__name__)

OVER_LIMIT = "The database did not come to an end in time. Try again after `Retry-After` seconds."
_RETRY = {"Retry-After": "2"}
_RETRY_WHEN_FULL = {"Retry-After": "30"}


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem document."""
    app.add_exception_handler(Problem, _answer_problem)
    app.add_exception_handler(Refused, _answer_refusal)
    app.add_exception_handler(BadTranscript, _answer_bad_transcript)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    for kind in (DBAPIError, psycopg.Error, PoolTimeout):
        app.add_exception_handler(kind, _answer_database_error)
    app.add_exception_handler(OSError, _answer_disk_error)
    app.add_exception_handler(Exception, _answer_mistake)


async def _answer_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    if error.kind is UNAUTHENTICATED and is_navigation(request):
        return RedirectResponse(login_address(request), 303)
    return problem_response(error, request.url.path)


async def _answer_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    errors = [FieldError(pointer=error.pointer, message=str(error))] if error.pointer is not None else []
    numbers = {"limit": error.limit, "actual": error.actual}
    known = {name: number for name, number in numbers.items() if number is not None}
    headers = {"Retry-After": "1"} if PROBLEM_TYPES[error.code].status in (409, 429) else None
    return problem_response(
        Problem(PROBLEM_TYPES[error.code], str(error), errors=errors, headers=headers, **known), request.url.path
    )


async def _answer_bad_transcript(request: Request, error: Exception) -> Response:
    assert isinstance(error, BadTranscript)
    problem = failure(error.code, str(error))
    problem.errors = (FieldError(pointer="/transcript/content", message=str(error), line=error.line),)
    return problem_response(problem, request.url.path)


async def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    shown = field_errors(found[:MOST_ERRORS])
    more = f" ({len(found) - MOST_ERRORS} more are not shown)" if len(found) > MOST_ERRORS else ""
    detail = f"{shown[0].pointer or 'The body'}: {shown[0].message}{more}"
    return problem_response(Problem(INVALID_REQUEST, detail, errors=shown), request.url.path)


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return problem_response(Problem(NOT_FOUND, f"There is nothing at {request.url.path}."), request.url.path)
    if error.status_code == 405:
        allowed = ", ".join(sorted(_methods(request)))
        detail = f"{request.method} does not exist here; there is {allowed}."
        return problem_response(Problem(METHOD_NOT_ALLOWED, detail, headers={"Allow": allowed}), request.url.path)
    if error.status_code == 400:
        return problem_response(Problem(MALFORMED_JSON), request.url.path)
    return await _answer_mistake(request, error)


def _methods(request: Request) -> set[str]:
    """Every method that some route has for this path."""
    found: set[str] = set()
    for route in request.app.state.every_route:
        matched, _ = route.matches(request.scope)
        if matched is not Match.NONE:
            found |= set(route.methods or ())
    return found


async def _answer_database_error(request: Request, error: Exception) -> Response:
    if not database_is_away(error):
        return await _answer_mistake(request, error)
    log.warning("the database cannot be used: %s", in_one_line(error, 500))
    if storage_is_full(error):
        return problem_response(Problem(STORAGE_FULL, headers=_RETRY_WHEN_FULL), request.url.path)
    detail = OVER_LIMIT if over_own_limit(error) else None
    return problem_response(Problem(DATABASE_UNAVAILABLE, detail, headers=_RETRY), request.url.path)


async def _answer_disk_error(request: Request, error: Exception) -> Response:
    """What an upload waits in, before anything of it is stored, may be full as well."""
    assert isinstance(error, OSError)
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return await _answer_mistake(request, error)
    log.warning("no room on a disk: %s", error)
    return problem_response(Problem(STORAGE_FULL, headers=_RETRY_WHEN_FULL), request.url.path)


async def _answer_mistake(request: Request, error: Exception) -> Response:
    incident = secrets.token_hex(6)
    log.error("incident %s: %s %s", incident, request.method, request.url.path, exc_info=error)
    return problem_response(Problem(INTERNAL_ERROR, incident=incident), request.url.path)
