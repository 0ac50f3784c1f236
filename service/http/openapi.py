"""Problems as responses, and how they, headers and accepted jobs look in the OpenAPI document."""

from typing import Any

from fastapi.responses import JSONResponse

from models.schemas.problems import ProblemDetails
from service.http.problems import (
    BAD_HEADER,
    BODY_TOO_LARGE,
    CLASSES,
    DATABASE_UNAVAILABLE,
    IDEMPOTENCY_KEY_FORGOTTEN,
    IDEMPOTENCY_KEY_IN_PROGRESS,
    IDEMPOTENCY_KEY_REUSED,
    INTERNAL_ERROR,
    INVALID_REQUEST,
    MALFORMED_JSON,
    MEDIA_TYPE,
    MODEL_UNKNOWN,
    NOT_LOCAL,
    QUEUE_FULL,
    STORAGE_FULL,
    UNAUTHENTICATED,
    UNSUPPORTED_MEDIA_TYPE,
    Problem,
    ProblemType,
)

Responses = dict[int | str, dict[str, Any]]

ALWAYS = (UNAUTHENTICATED, NOT_LOCAL, INVALID_REQUEST, INTERNAL_ERROR, DATABASE_UNAVAILABLE)
FAILED_WORK = (*CLASSES["Documents"], *CLASSES["Models"], *CLASSES["Work"])
"""Problems of a document that could not be measured."""


WRITING = (MALFORMED_JSON, UNSUPPORTED_MEDIA_TYPE, BODY_TOO_LARGE, STORAGE_FULL)
"""Problems of every request with a JSON body that changes something."""
CREATING = (
    *WRITING,
    BAD_HEADER,
    MODEL_UNKNOWN,
    QUEUE_FULL,
    IDEMPOTENCY_KEY_REUSED,
    IDEMPOTENCY_KEY_IN_PROGRESS,
    IDEMPOTENCY_KEY_FORGOTTEN,
)
"""Problems of every POST that creates a job."""


class ProblemResponse(JSONResponse):
    """A problem document."""

    media_type = MEDIA_TYPE


def problem_response(problem: Problem, instance: str) -> ProblemResponse:
    """The answer that a problem makes to the request of the path `instance`."""
    return ProblemResponse(problem.document(instance), problem.kind.status, problem.headers)


def problems(*kinds: ProblemType) -> Responses:
    """The problems that a route may answer with, beside those that every route may, for its `responses`."""
    by_status: dict[int, list[ProblemType]] = {}
    for kind in dict.fromkeys((*kinds, *ALWAYS)):
        by_status.setdefault(kind.status, []).append(kind)
    return {status: _described(by_status[status]) for status in sorted(by_status)}


def _described(kinds: list[ProblemType]) -> dict[str, Any]:
    examples = {
        kind.name: {
            "summary": kind.title,
            "value": Problem(kind).document("/v1/..."),
        }
        for kind in kinds
    }
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {
        "description": "; ".join(kind.title for kind in kinds),
        "content": {MEDIA_TYPE: {"schema": schema, "examples": examples}},
    }


def header_docs(**headers: str) -> dict[str, Any]:
    """The description of response headers; underscores stand for hyphens."""
    return {
        name.replace("_", "-"): {"description": text, "schema": {"type": "string"}} for name, text in headers.items()
    }


ACCEPTED = {
    "description": "The job, as it is now.",
    "headers": header_docs(
        Location="Where the job is.",
        Retry_After="Seconds until it is worth asking.",
        Preference_Applied="Which part of `Prefer` was followed.",
    ),
}
"""A job that was accepted, for a route's `responses`."""

PROBLEM_SCHEMA = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
