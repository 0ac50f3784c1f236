"""Where a search starts: its input as a point of the space that is searched."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from models.queries.reading.model_status import model_of_version, present_version
from models.queries.search.nearest import vector_of_analysis
from models.queries.search.vectors import Scope, VectorIndex
from models.schemas.documents import content_of_turns
from models.schemas.search import SearchRequest
from service.context import Context
from service.http.problems import ANALYSIS_UNKNOWN, INVALID_REQUEST, WRONG_DIMENSION, Problem, field_problem
from service.jobs.inquiries import answer_of
from service.jobs.submission import document_within_limits


@dataclass(frozen=True, slots=True)
class Start:
    """A vector of a model's version, and the index of what it is compared with.

    There is no version where nothing was measured with the model, and no index where nothing can be found: there, or
    in the space of profiles until a worker has measured the version's scale.
    """

    model_id: str
    version_key: int | None
    index: VectorIndex | None = None
    vector: Sequence[float] = ()
    profile_numbers: int | None = None


async def starting_point(here: Context, tenant: str, body: SearchRequest) -> Start:
    """The point of the request's input. Raises a `Problem` where it has none, or no worker reads it in time."""
    if body.space == "profile":
        from service.search.profile_point import profile_start  # here, because it loads what only this space needs

        return await profile_start(here, tenant, body)
    if body.analysis_id is not None:
        return await _of_analysis(here, tenant, body, body.analysis_id)
    model_id = here.served(body.model).id
    if body.vector is not None:
        return await _of_vector(here, body, model_id, body.vector)
    version_key, vector = await read_point(here, tenant, body, model_id)
    return _among_embeddings(body, model_id, version_key, vector)


async def read_point(here: Context, tenant: str, body: SearchRequest, model_id: str) -> tuple[int, list[float]]:
    """The point of the request's text or conversation, and of which version, as a worker reads it."""
    content = content_of_turns(body.conversation.turns) if body.conversation else {"text": body.text}
    document_within_limits(here.settings, content)
    read = await answer_of(here, tenant, model_id, "embedding", {"content": content, "space": body.space})
    return read.response["version_key"], read.response[body.space]


async def _of_vector(here: Context, body: SearchRequest, model_id: str, sent: Sequence[float | None]) -> Start:
    vector = [value for value in sent if value is not None]
    if len(vector) < len(sent):
        raise field_problem(INVALID_REQUEST, "/vector", "An embedding has a number in every place, and no null.")
    unit = direction(vector, "/vector")
    version = await here.database.run(present_version, model_id)
    if version is None:
        return Start(model_id, None)
    if version.dimension != len(vector):
        raise wrong_dimension(f"those of {model_id}", len(vector), version.dimension)
    return _among_embeddings(body, model_id, version.key, unit)


async def _of_analysis(here: Context, tenant: str, body: SearchRequest, analysis_id: str) -> Start:
    found = await here.database.run(vector_of_analysis, tenant, analysis_id)
    if found is None:
        raise field_problem(ANALYSIS_UNKNOWN, "/analysis_id", f"There is no analysis {analysis_id} with an embedding.")
    version_key, vector = found
    return _among_embeddings(body, await model_of(here, body, version_key), version_key, vector)


def _among_embeddings(body: SearchRequest, model_id: str, version_key: int, vector: Sequence[float]) -> Start:
    scope: Scope = "turn" if body.scope == "turns" else "document"
    return Start(model_id, version_key, VectorIndex(version_key, len(vector), scope), vector)


async def model_of(here: Context, body: SearchRequest, version_key: int) -> str:
    """The model of an analysis' version, which must be the one asked for, if any is."""
    model_id = await here.database.run(model_of_version, version_key)
    if body.model is not None and body.model != model_id:
        message = f"The analysis was made with {model_id}; vectors of two models cannot be compared."
        raise field_problem(INVALID_REQUEST, "/model", message)
    return model_id


def direction(vector: Sequence[float], pointer: str) -> list[float]:
    """The vector brought to length 1."""
    length = math.hypot(*vector)
    if length == 0 or not math.isfinite(length):
        message = "A vector needs a direction: a finite length above 0; of a profile, from the mean of every head."
        raise field_problem(INVALID_REQUEST, pointer, message)
    return [value / length for value in vector]


def wrong_dimension(whose: str, actual: int, limit: int) -> Problem:
    """The problem of a vector that has not as many numbers as those it is to be compared with."""
    message = f"The vector has {actual} numbers; {whose} have {limit}."
    return field_problem(WRONG_DIMENSION, "/vector", message, limit=limit, actual=actual)
