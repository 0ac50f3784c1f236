"""Details that an analysis does not store, measured again by a worker for one request."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from models.errors import found
from models.queries.reading.analysis_source import measured_as
from service.context import AppContext
from service.http.problems import INVALID_REQUEST, MODEL_CHANGED, Problem, field_problem
from service.jobs.inquiries import answer_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]


async def measure_again(
    context: AppContext, tenant: str, analysis_id: str, kind: str, **wanted: int
) -> tuple["Arrays", dict[str, str]]:
    """What a worker measures for this request: the arrays by name, and the analysis, model and place that they are of.

    `kind` is that of the inquiry: `tokens`, `flow_heads`, or `attention`, for which `wanted` gives layer, head and
    window. Raises `NotFound`, or a `Problem`.
    """
    from models.arrays import unpack

    row = found(await context.database.run(measured_as, tenant, analysis_id), "analysis", analysis_id)
    if row.model_id not in {entry.id for entry in context.entries}:
        raise Problem(MODEL_CHANGED, f"The analysis was made with {row.model_id}, which is not served any more.")
    for name, count in (("layer", row.facts["layers"]), ("head", row.facts["heads"]), ("window", row.windows)):
        if name in wanted and wanted[name] >= count:
            message = f"There is no {name} {wanted[name]}; the last one is {count - 1}."
            raise field_problem(INVALID_REQUEST, f"query:{name}", message)
    answer = await answer_of(context, tenant, row.model_id, kind, {"analysis_id": analysis_id, **wanted})
    about = {
        "analysis_id": analysis_id,
        "model": row.model_id,
        "revision": row.revision,
        "definitions": row.definitions,
        **{name: str(number) for name, number in wanted.items()},
    }
    return unpack(answer.response, answer.body), about
