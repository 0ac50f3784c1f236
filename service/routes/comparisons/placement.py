"""A new document on a comparison's map: read as the comparison read its documents, then put among its neighbours."""

from typing import Any

from fastapi import APIRouter
from sqlalchemy import Connection, Row

from models.errors import NotFound
from models.queries.search.map_points import content_of_analysis, embedding_map
from models.schemas.comparisons import ComparisonRequest
from models.schemas.documents import Content, content_of_turns
from models.schemas.placement import Placed, Placement, PlaceRequest
from models.schemas.strings import Storable
from service.auth.tenant import Secured, Tenant
from service.context import AppContext, AppContextDep
from service.http.bodies import JsonRoute
from service.http.openapi import problems
from service.http.problems import (
    ANALYSIS_UNKNOWN,
    BODY_TOO_LARGE,
    CLASSES,
    DOCUMENT_TOO_LARGE,
    MALFORMED_JSON,
    MODEL_BUSY,
    MODEL_CHANGED,
    NO_RESULT_YET,
    NOT_FOUND,
    UNSUPPORTED_MEDIA_TYPE,
    Problem,
    field_problem,
)
from service.jobs.inquiries import answer_of
from service.jobs.submission import document_within_limits
from service.routes.comparisons.files import succeeded

router = APIRouter(prefix="/v1/comparisons", tags=["comparisons"], route_class=JsonRoute, dependencies=[Secured])


@router.post(
    "/{comparison_id}/place",
    responses=problems(
        NOT_FOUND,
        NO_RESULT_YET,
        MALFORMED_JSON,
        UNSUPPORTED_MEDIA_TYPE,
        BODY_TOO_LARGE,
        DOCUMENT_TOO_LARGE,
        ANALYSIS_UNKNOWN,
        MODEL_CHANGED,
        MODEL_BUSY,
        *CLASSES["Documents"],
        *CLASSES["Models"],
    ),
)
async def place(comparison_id: Storable, body: PlaceRequest, context: AppContextDep, tenant: Tenant) -> Placement:
    """Where a document stands on the map of embeddings. It is read in the comparison's windows and not kept."""
    found = await context.database.read(_map_of, tenant, comparison_id)
    if found is None or found.drawn is None or len(found.models) != 1:
        raise NotFound(f"The comparison {comparison_id} has no map of embeddings under one model.")
    (model_id,) = found.models
    if model_id not in {entry.id for entry in context.entries}:
        raise Problem(MODEL_CHANGED, f"The map was made with {model_id}, which is not served any more.")
    content = await _content(context, tenant, body)
    request = ComparisonRequest.model_validate(found.request).model_copy(update={"first_window": False})
    options = request.options().model_dump(mode="json")
    inquiry = {"content": content, "options": options, "comparison_id": comparison_id}
    read = await answer_of(context, tenant, model_id, "embedding", inquiry)
    placed = read.response["placed"]
    if placed is None:
        raise Problem(MODEL_CHANGED, "No document of the map is left that was measured with what the model is now.")
    return Placement(embedding=Placed.model_validate(placed))


def _map_of(connection: Connection, tenant: str, comparison_id: str) -> Row[Any] | None:
    succeeded(connection, tenant, comparison_id)
    return embedding_map(connection, tenant, comparison_id)


async def _content(context: AppContext, tenant: str, body: PlaceRequest) -> Content:
    if body.analysis_id is not None:
        content = await context.database.run(content_of_analysis, tenant, body.analysis_id)
        if content is None:
            raise field_problem(ANALYSIS_UNKNOWN, "/analysis_id", f"There is no analysis {body.analysis_id}.")
        return content
    sent = content_of_turns(body.conversation.turns) if body.conversation else {"text": body.text}
    document_within_limits(context.settings, sent)
    return sent
