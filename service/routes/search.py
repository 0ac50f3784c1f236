"""Search: the nearest documents or turns."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from sqlalchemy import Connection, Row

from attention.definitions import PROFILE
from models.queries.search.nearest import Candidates, Wanted, nearest, without_profile
from models.schemas.documents import Content
from models.schemas.search import Hit, ProfileSpace, SearchAnswer, SearchRequest
from service.auth.tenant import Secured, Tenant
from service.context import Here
from service.http.bodies import JsonRoute
from service.http.openapi import problems
from service.http.problems import (
    ANALYSIS_UNKNOWN,
    BODY_TOO_LARGE,
    CLASSES,
    DOCUMENT_TOO_LARGE,
    INVALID_REQUEST,
    MALFORMED_JSON,
    MODEL_BUSY,
    MODEL_UNKNOWN,
    UNSUPPORTED_MEDIA_TYPE,
    WRONG_DIMENSION,
    field_problem,
)
from service.search.query_point import Start, starting_point

router = APIRouter(prefix="/v1/search", tags=["search"], route_class=JsonRoute, dependencies=[Secured])

SNIPPET = 240


@router.post(
    "",
    responses=problems(
        MALFORMED_JSON,
        UNSUPPORTED_MEDIA_TYPE,
        BODY_TOO_LARGE,
        DOCUMENT_TOO_LARGE,
        MODEL_UNKNOWN,
        ANALYSIS_UNKNOWN,
        WRONG_DIMENSION,
        MODEL_BUSY,
        *CLASSES["Documents"],
        *CLASSES["Models"],
    ),
)
async def search(body: SearchRequest, here: Here, tenant: Tenant) -> SearchAnswer:
    """What was measured and is nearest by its embedding or its attention profile.

    A text or conversation is read by a worker first.
    """
    if body.space == "profile" and body.scope == "turns":
        raise field_problem(INVALID_REQUEST, "/scope", "Profiles are of documents; turns have an embedding only.")
    start = await starting_point(here, tenant, body)
    candidates = Candidates(
        tenant_id=tenant,
        domain=body.filter.domain,
        dataset_id=body.filter.dataset_id,
        labels=body.filter.labels,
        job_id=body.job_id,
        without_analysis=body.analysis_id,
    )
    rows, exact, missing = await here.database.read(_search, candidates, start, body)
    hits = [
        Hit(
            analysis_id=row.analysis_id,
            turn=row.turn,
            score=max(-1.0, min(1.0, 1.0 - float(row.distance))),
            domain=row.domain,
            external_id=row.external_id,
            snippet=_snippet(row.said or row.message),
        )
        for row in rows
    ]
    profile = None
    if body.space == "profile":
        dimension = None if start.index is None else start.index.dimension
        profile = ProfileSpace(definition=PROFILE, numbers=start.profile_numbers, dimension=dimension, missing=missing)
    return SearchAnswer(items=hits, exact=exact, model=start.model_id, profile=profile)


def _search(
    connection: Connection, candidates: Candidates, start: Start, body: SearchRequest
) -> tuple[Sequence[Row[Any]], bool, int]:
    """What is nearest, whether every candidate was compared, and how many have no profile.

    Called by `Database.read`: a profile stored between the two statements would be neither found nor missing.
    """
    rows: Sequence[Row[Any]] = ()
    exact, missing = True, 0
    if start.index is not None:
        rows, exact = nearest(connection, Wanted(candidates, start.index, start.vector, body.k))
    if body.space == "profile" and start.version_key is not None:
        missing = without_profile(connection, candidates, start.version_key)
    return rows, exact, missing


def _snippet(said: Content | None) -> str:
    """How a document or turn begins, on one line."""
    if said is None:
        return ""
    if "turns" in said or "messages" in said:
        parts = (
            f"{entry.get('speaker', entry.get('role'))}: {entry.get('text', entry.get('content'))}"
            for entry in said.get("turns") or said["messages"]
        )
        text = ""
        for part in parts:
            text += part + " "
            if len(text) > SNIPPET:
                break
    else:
        text = said.get("text") or said.get("content") or ""
    line = " ".join(text[: 2 * SNIPPET].split())
    return line if len(line) <= SNIPPET else line[: SNIPPET - 1].rstrip() + "…"
