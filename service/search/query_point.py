"""The point that a search looks near to, and what both spaces of points need to find it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from models.queries.reading.model_status import model_of_version
from models.queries.search.vectors import VectorIndex
from models.schemas.documents import content_of_turns
from models.schemas.search import SearchRequest
from service.context import AppContext
from service.http.problems import INVALID_REQUEST, WRONG_DIMENSION, Problem, field_problem
from service.jobs.inquiries import answer_of
from service.jobs.submission import document_within_limits


@dataclass(frozen=True, slots=True)
class QueryPoint:
    """A vector of a model's version, and the index of what it is compared with.

    There is no version where nothing was measured with the model, and no index where nothing can be found: there, or
    in the space of profiles until a worker has measured the version's scale.
    """

    model_id: str
    version_key: int | None
    index: VectorIndex | None = None
    vector: Sequence[float] = ()
    profile_numbers: int | None = None


async def read_by_worker(
    context: AppContext, tenant: str, body: SearchRequest, model_id: str
) -> tuple[int, list[float]]:
    """The version key and the point of the request's text or conversation, as a worker reads it. Raises a `Problem`."""
    content = content_of_turns(body.conversation.turns) if body.conversation else {"text": body.text}
    document_within_limits(context.settings, content)
    read = await answer_of(context, tenant, model_id, "embedding", {"content": content, "space": body.space})
    return read.response["version_key"], read.response[body.space]


async def model_of(context: AppContext, body: SearchRequest, version_key: int) -> str:
    """The model that an analysis was made with. Raises a `Problem` where the request names another."""
    model_id = await context.database.run(model_of_version, version_key)
    if body.model is not None and body.model != model_id:
        message = f"The analysis was made with {model_id}; vectors of two models cannot be compared."
        raise field_problem(INVALID_REQUEST, "/model", message)
    return model_id


def unit_vector(vector: Sequence[float], pointer: str) -> list[float]:
    """The vector brought to length 1. Raises a `Problem` where it has no direction."""
    length = math.hypot(*vector)
    if length == 0 or not math.isfinite(length):
        message = "A vector needs a direction: a finite length above 0; of a profile, from the mean of every head."
        raise field_problem(INVALID_REQUEST, pointer, message)
    return [value / length for value in vector]


def wrong_dimension(whose: str, actual: int, limit: int) -> Problem:
    """The problem of a vector that has not as many numbers as those it is to be compared with."""
    message = f"The vector has {actual} numbers; {whose} have {limit}."
    return field_problem(WRONG_DIMENSION, "/vector", message, limit=limit, actual=actual)
