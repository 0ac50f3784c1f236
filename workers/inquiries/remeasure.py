"""Measuring a document again for what its analysis does not store: tokens, flow by head, one head's weights."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from attention.errors import DocumentRefused, Interrupted, TooMuchToShow
from attention.measure.analysis import Measurement, analyse, attention_weights
from attention.measure.capture import CaptureOptions
from attention.text.documents import Rendered
from attention.text.tokens import surface
from models.arrays import pack_texts
from models.queries.queue.inquiry_claims import ClaimedInquiry, still_waited_for
from models.queries.reading.analysis_source import source_of
from workers.measuring.documents import key_of, render_content
from workers.measuring.model_registry import LoadedModel

Arrays = dict[str, NDArray[Any]]

MOST_NUMBERS = 2**22
"""Most numbers in one answer: 16 MiB, and several times that as JSON."""

MODEL_CHANGED = (
    "model-changed",
    "The analysis was made under other weights, settings or definitions than the worker has now; measure it again.",
)


class ModelChanged(Exception):  # noqa: N818 - it is what happened
    """The document has other tokens now, or the model other weights, than when it was measured."""


def remeasure(
    engine: Engine, loaded: LoadedModel, asked: ClaimedInquiry, token_budget: int, stopping: Callable[[], bool]
) -> Arrays:
    """What the inquiry asks for, as arrays.

    Raises ModelChanged where the model is not what it was, Interrupted where nobody waits any more or the worker is to
    end, and what `render` and `analyse` raise.
    """

    def check_wanted() -> None:
        with engine.connect() as connection:
            waited_for = still_waited_for(connection, asked)
        if not waited_for or stopping():
            raise Interrupted("nobody waited for the answer any more, or the worker was to end; ask again")

    check_wanted()
    with engine.connect() as connection:
        source = source_of(connection, str(asked.request["analysis_id"]))
    if source is None:
        raise Interrupted("the analysis was deleted meanwhile")
    rendered = render_content(loaded.model, source.content, source.options)
    if key_of(loaded.model, rendered, source.options) != source.work_key:
        raise ModelChanged
    match asked.kind:
        case "tokens":
            _limit(4 * loaded.model.facts.layers * rendered.tokens, f"{rendered.tokens} tokens in every layer")
            return _tokens(
                loaded, _measure(loaded, rendered, token_budget, check_wanted, CaptureOptions(flow=False, tokens=True))
            )
        case "flow_heads":
            turns = rendered.turns or 0
            facts = loaded.model.facts
            _limit(facts.layers * facts.heads * turns * (turns + 1), f"the flow of {turns} turns in every head")
            measured = _measure(loaded, rendered, token_budget, check_wanted, CaptureOptions(flow_heads=True))
            if measured.flow_heads is None:
                raise DocumentRefused("a plain text has no turns, and so no flow")
            return {"flow_heads": measured.flow_heads}
        case "attention":
            return _weights(loaded, rendered, asked.request)
    raise ValueError(f"there is no inquiry of the kind {asked.kind}")


def _limit(numbers: int, what: str) -> None:
    if numbers > MOST_NUMBERS:
        raise TooMuchToShow(f"{what} are {numbers} numbers; at most {MOST_NUMBERS} are given out at once")


def _measure(
    loaded: LoadedModel,
    rendered: Rendered,
    token_budget: int,
    check_wanted: Callable[[], None],
    options: CaptureOptions,
) -> Measurement:
    return analyse(loaded.model, [rendered], token_budget=token_budget, options=options, between_passes=check_wanted)[0]


def _tokens(loaded: LoadedModel, measured: Measurement) -> Arrays:
    detail = measured.tokens_detail
    assert detail is not None
    return {
        "window": detail.window,
        "id": detail.id,
        "turn": detail.turn,
        "scaffold": detail.scaffold,
        "distance": detail.distance,
        "entropy": detail.entropy,
        "received": detail.received,
        "received_lift": detail.received_lift,
        **pack_texts(surface(loaded.model.tokenizer, detail.id)),
    }


def _weights(loaded: LoadedModel, rendered: Rendered, request: dict[str, Any]) -> Arrays:
    if not 0 <= request["window"] < len(rendered.windows):
        raise DocumentRefused(
            f"there is no window {request['window']}; the document has windows 0 to {len(rendered.windows) - 1}"
        )
    window = rendered.windows[request["window"]]
    return {
        "weights": attention_weights(loaded.model, window, request["layer"], request["head"]),
        "id": np.asarray(window.ids, np.int64),
        "turn": np.asarray(window.turn, np.int32),
        "scaffold": np.asarray(window.scaffold, np.bool_),
        **pack_texts(surface(loaded.model.tokenizer, window.ids)),
    }
