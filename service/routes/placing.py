"""A new document on a comparison's map: read as the comparison read its documents, then put among its neighbours."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from sqlalchemy import Row

from models.queries.placing import content_of_analysis, embedding_map, nearest_points
from models.refusals import NotFound
from models.schemas.comparisons import ComparisonRequest
from models.schemas.documents import Content, content_of_turns
from models.schemas.placing import Neighbour, Placed, Placement, PlaceRequest
from models.schemas.strings import Storable
from service.accepting import document_within_limits
from service.answers import problems
from service.asking import answer_of
from service.bodies import JsonRoute
from service.context import Context, Here
from service.identity import Secured, Tenant
from service.problems import (
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
from service.routes.comparison_files import succeeded

router = APIRouter(prefix="/v1/comparisons", tags=["comparisons"], route_class=JsonRoute, dependencies=[Secured])

NEIGHBOURS = 10
METHOD = f"mean of the {NEIGHBOURS} nearest documents of the map, weighted by cosine similarity"


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
async def place(comparison_id: Storable, body: PlaceRequest, here: Here, tenant: Tenant) -> Placement:
    """Where a document stands on the map of embeddings. It is read in the comparison's windows and not kept."""
    await succeeded(here, tenant, comparison_id)
    found = await here.database.run(embedding_map, tenant, comparison_id)
    if found is None or found.drawn is None or len(found.models) != 1:
        raise NotFound(f"The comparison {comparison_id} has no map of embeddings under one model.")
    (model_id,) = found.models
    if model_id not in {entry.id for entry in here.entries}:
        raise Problem(MODEL_CHANGED, f"The map was made with {model_id}, which is not served any more.")
    content = await _content(here, tenant, body)
    asked = ComparisonRequest.model_validate(found.request).model_copy(update={"first_window": False})
    options = asked.options().model_dump(mode="json")
    read = await answer_of(here, tenant, model_id, "embedding", {"content": content, "options": options})
    vector, version_key = read.response["embedding"], read.response["version_key"]
    near = await here.database.run(nearest_points, comparison_id, version_key, vector, NEIGHBOURS)
    if not near:
        raise Problem(MODEL_CHANGED, "No document of the map is left that was measured with what the model is now.")
    return Placement(embedding=_among(near))


async def _content(here: Context, tenant: str, body: PlaceRequest) -> Content:
    if body.analysis_id is not None:
        content = await here.database.run(content_of_analysis, tenant, body.analysis_id)
        if content is None:
            raise field_problem(ANALYSIS_UNKNOWN, "/analysis_id", f"There is no analysis {body.analysis_id}.")
        return content
    sent = content_of_turns(body.conversation.turns) if body.conversation else {"text": body.text}
    document_within_limits(here.settings, sent)
    return sent


def _among(near: Sequence[Row[Any]]) -> Placed:
    """The weighted mean of the neighbours; all weigh the same where none is similar."""
    weights = [max(0.0, float(row.similarity)) for row in near]
    if not any(weights):
        weights = [1.0] * len(near)
    total = sum(weights)
    of_group: dict[str, float] = defaultdict(float)
    for row, weight in zip(near, weights, strict=True):
        of_group[row.group] += weight
    return Placed(
        x=sum(weight * row.x for row, weight in zip(near, weights, strict=True)) / total,
        y=sum(weight * row.y for row, weight in zip(near, weights, strict=True)) / total,
        group=max(sorted(of_group), key=of_group.__getitem__),
        method=METHOD,
        neighbours=[
            Neighbour(
                analysis_id=row.analysis_id,
                group=row.group,
                x=row.x,
                y=row.y,
                similarity=max(-1.0, min(1.0, float(row.similarity))),
            )
            for row in near
        ],
    )
