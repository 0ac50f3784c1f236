"""One analysis in detail: what is stored of it, and what a worker measures again for the request."""

from asyncio import to_thread
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response

from models.schemas.analyses import Analysis
from models.schemas.strings import Storable
from models.schemas.tokens import AttentionWeights
from service.auth.tenant import Secured, Tenant
from service.context import AppContextDep
from service.http.answers import written
from service.http.bodies import JsonRoute
from service.http.openapi import FAILED_WORK, problems
from service.http.problems import INVALID_REQUEST, MODEL_BUSY, MODEL_CHANGED, NOT_FOUND, field_problem
from service.jobs.remeasure import measure_again
from service.jobs.responses import present_analysis
from service.views.arrow import JSON, MEDIA_TYPE, arrow_preferred
from service.views.tokens import tokens_arrow, tokens_view, weights_arrow, weights_view
from service.views.turns import in_full

router = APIRouter(prefix="/v1/analyses", tags=["analyses"], route_class=JsonRoute, dependencies=[Secured])

INCLUDABLE = ("heads", "flow", "flow_heads", "turns", "tokens", "embedding")
_KNOWN_PARTS = ", ".join(f"`{part}`" for part in INCLUDABLE)
_VARYING = {"Vary": "Accept"}
_ARROW = {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}
_MEASURED_AGAIN = problems(NOT_FOUND, MODEL_CHANGED, MODEL_BUSY, *FAILED_WORK)

AcceptHeader = Annotated[str | None, Header(description=f"`{MEDIA_TYPE}` for Arrow in place of JSON.")]


async def _parts(
    include: Annotated[
        str, Query(description=f"{_KNOWN_PARTS}, or several with commas.", examples=["heads,flow"])
    ] = "",
) -> frozenset[str]:
    parts = frozenset(filter(None, include.split(",")))
    if unknown := parts - set(INCLUDABLE):
        named = ", ".join(sorted(unknown))
        raise field_problem(INVALID_REQUEST, "query:include", f"There is no {named}; include {_KNOWN_PARTS}.")
    return parts


@router.get("/{analysis_id}", response_model=Analysis, responses={**_MEASURED_AGAIN, 200: _ARROW})
async def get_analysis(
    analysis_id: Storable,
    context: AppContextDep,
    tenant: Tenant,
    parts: Annotated[frozenset[str], Depends(_parts)],
    layer: Annotated[int | None, Query(ge=0, description="The flow of this layer alone.")] = None,
    accept: AcceptHeader = None,
) -> Response:
    """One analysis with its layers, on request with every head, its turns, the flow between them, and its tokens.

    `tokens` and `flow_heads` are measured anew by a worker. Where Arrow is preferred, `include=tokens` answers with the
    tokens alone.
    """
    if "tokens" in parts and arrow_preferred(accept):
        stream = await to_thread(tokens_arrow, *await measure_again(context, tenant, analysis_id, "tokens"))
        return Response(stream, media_type=MEDIA_TYPE, headers=_VARYING)
    stored = parts | {"flow"} if "flow_heads" in parts else parts
    found = await present_analysis(context, tenant, analysis_id, parts=stored, layer=layer)
    if "tokens" in parts:
        arrays, _ = await measure_again(context, tenant, analysis_id, "tokens")
        found["tokens_detail"] = tokens_view(arrays)
    if "flow_heads" in parts and found["flow"] is not None:
        arrays, _ = await measure_again(context, tenant, analysis_id, "flow_heads")
        of = slice(None) if layer is None else slice(layer, layer + 1)
        found["flow"]["heads"] = in_full(arrays["flow_heads"][of])
    body = await to_thread(written, found) if parts else written(found)
    return Response(body, media_type=JSON, headers=_VARYING)


@router.get("/{analysis_id}/attention", response_model=AttentionWeights, responses={**_MEASURED_AGAIN, 200: _ARROW})
async def get_attention(
    analysis_id: Storable,
    context: AppContextDep,
    tenant: Tenant,
    layer: Annotated[int, Query(ge=0, description="Counts attending layers from 0.")],
    head: Annotated[int, Query(ge=0)],
    window: Annotated[int, Query(ge=0, description="Counts the document's windows from 0.")] = 0,
    accept: AcceptHeader = None,
) -> Response:
    """The weights of one layer and head over one window of at most 1,024 tokens, measured anew by a worker."""
    measured = await measure_again(context, tenant, analysis_id, "attention", layer=layer, head=head, window=window)
    if arrow_preferred(accept):
        return Response(await to_thread(weights_arrow, *measured), media_type=MEDIA_TYPE, headers=_VARYING)
    return Response(await to_thread(written, weights_view(*measured)), media_type=JSON, headers=_VARYING)
