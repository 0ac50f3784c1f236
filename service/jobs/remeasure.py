"""What an analysis does not store, measured anew by a worker for one request."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from models.errors import found
from models.queries.reading.analysis_source import measured_as
from models.schemas.tokens import AttentionWeights, TokensDetail
from service.context import Context
from service.http.problems import INVALID_REQUEST, MODEL_CHANGED, Problem, field_problem
from service.jobs.inquiries import answer_of
from service.views.arrow import token_stream
from service.views.turns import with_nulls

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]

BY_LAYER = ("distance", "entropy", "received", "received_lift")


async def recall(
    here: Context, tenant: str, analysis_id: str, kind: str, **wanted: int
) -> tuple["Arrays", dict[str, str]]:
    """(arrays, what they are of) from a worker. Raises NotFound or a `Problem`."""
    from models.arrays import unpack

    row = found(await here.database.run(measured_as, tenant, analysis_id), "analysis", analysis_id)
    if row.model_id not in {entry.id for entry in here.entries}:
        raise Problem(MODEL_CHANGED, f"The analysis was made with {row.model_id}, which is not served any more.")
    for name, count in (("layer", row.facts["layers"]), ("head", row.facts["heads"]), ("window", row.windows)):
        if name in wanted and wanted[name] >= count:
            message = f"There is no {name} {wanted[name]}; the last one is {count - 1}."
            raise field_problem(INVALID_REQUEST, f"query:{name}", message)
    answer = await answer_of(here, tenant, row.model_id, kind, {"analysis_id": analysis_id, **wanted})
    about = {
        "analysis_id": analysis_id,
        "model": row.model_id,
        "revision": row.revision,
        "definitions": row.definitions,
        **{name: str(number) for name, number in wanted.items()},
    }
    return unpack(answer.response, answer.body), about


def _plain(arrays: "Arrays") -> dict[str, Any]:
    """What each token is."""
    from models.arrays import unpack_texts

    return {
        "id": arrays["id"].tolist(),
        "text": unpack_texts(arrays),
        "turn": [None if turn < 0 else turn for turn in arrays["turn"].tolist()],
        "scaffold": arrays["scaffold"].tolist(),
    }


def tokens_view(arrays: "Arrays") -> TokensDetail:
    """The arrays of the kind `tokens`."""
    values = {name: with_nulls(arrays[name]) for name in BY_LAYER}
    return TokensDetail(window=arrays["window"].tolist(), **_plain(arrays), **values)


def tokens_arrow(arrays: "Arrays", about: Mapping[str, str]) -> bytes:
    """The same as an Arrow stream: the values of a token's L layers as one list."""
    from models.arrays import unpack_texts

    turned = {**arrays, **{name: arrays[name].T for name in BY_LAYER}}
    return token_stream(turned, unpack_texts(arrays), BY_LAYER, about)


def weights_view(arrays: "Arrays", about: Mapping[str, str]) -> AttentionWeights:
    """The arrays of the kind `attention`."""
    place = {name: int(about[name]) for name in ("layer", "head", "window")}
    return AttentionWeights(
        analysis_id=about["analysis_id"], **place, **_plain(arrays), weights=arrays["weights"].tolist()
    )


def weights_arrow(arrays: "Arrays", about: Mapping[str, str]) -> bytes:
    """The same as an Arrow stream: a token's row of weights as one list."""
    from models.arrays import unpack_texts

    return token_stream(arrays, unpack_texts(arrays), ("weights",), about)
