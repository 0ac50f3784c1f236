"""Search: the nearest documents or turns."""

import math

from fastapi import APIRouter

from models.queries.nearest import Wanted, nearest, vector_of_analysis
from models.queries.served import model_of_version, present_version
from models.queries.vectors import VectorIndex
from models.schemas.documents import Content, content_of_turns
from models.schemas.search import Hit, SearchAnswer, SearchRequest
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
    INVALID_REQUEST,
    MALFORMED_JSON,
    MODEL_BUSY,
    MODEL_UNKNOWN,
    UNSUPPORTED_MEDIA_TYPE,
    WRONG_DIMENSION,
    field_problem,
)

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
    """What was measured and is nearest in the model's embedding. A text or conversation is read by a worker first."""
    model_id, version_key, vector = await _point(here, tenant, body)
    if version_key is None:
        return SearchAnswer(items=[], exact=True, model=model_id)
    wanted = Wanted(
        tenant_id=tenant,
        index=VectorIndex(version_key, len(vector), "turn" if body.scope == "turns" else "document"),
        vector=vector,
        k=body.k,
        domain=body.filter.domain,
        dataset_id=body.filter.dataset_id,
        labels=body.filter.labels,
        job_id=body.job_id,
        without_analysis=body.analysis_id,
    )
    rows, exact = await here.database.run(nearest, wanted)
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
    return SearchAnswer(items=hits, exact=exact, model=model_id)


async def _point(here: Context, tenant: str, body: SearchRequest) -> tuple[str, int | None, list[float]]:
    """Where to search from: the model, its version (None where nothing was measured with it), and a vector."""
    if body.analysis_id is not None:
        return await _analysis_point(here, tenant, body, body.analysis_id)
    served = here.served(body.model)
    if body.vector is None:
        content = content_of_turns(body.conversation.turns) if body.conversation else {"text": body.text}
        document_within_limits(here.settings, content)
        read = await answer_of(here, tenant, served.id, "embedding", {"content": content})
        return served.id, read.response["version_key"], read.response["embedding"]
    length = math.hypot(*body.vector)
    if length == 0 or not math.isfinite(length):
        raise field_problem(INVALID_REQUEST, "/vector", "A vector needs a direction: give it a finite length above 0.")
    version = await here.database.run(present_version, served.id)
    if version is not None and version.dimension != len(body.vector):
        raise field_problem(
            WRONG_DIMENSION,
            "/vector",
            f"The vector has {len(body.vector)} numbers; those of {served.id} have {version.dimension}.",
            limit=version.dimension,
            actual=len(body.vector),
        )
    return served.id, None if version is None else version.key, [value / length for value in body.vector]


async def _analysis_point(
    here: Context, tenant: str, body: SearchRequest, analysis_id: str
) -> tuple[str, int | None, list[float]]:
    found = await here.database.run(vector_of_analysis, tenant, analysis_id)
    if found is None:
        raise field_problem(ANALYSIS_UNKNOWN, "/analysis_id", f"There is no analysis {analysis_id} with an embedding.")
    version_key, vector = found
    model_id = await here.database.run(model_of_version, version_key)
    if body.model is not None and body.model != model_id:
        message = f"The analysis was made with {model_id}; vectors of two models cannot be compared."
        raise field_problem(INVALID_REQUEST, "/model", message)
    return model_id, version_key, vector


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
