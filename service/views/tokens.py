"""Details of tokens that a worker measured, as plain content and as Arrow streams."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from service.views.arrow import token_stream
from service.views.turns import in_full

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]

BY_LAYER = ("distance", "entropy", "received", "received_lift")


def _plain(arrays: "Arrays") -> dict[str, Any]:
    """What each token is."""
    from models.arrays import unpack_texts

    return {
        "id": arrays["id"],
        "text": unpack_texts(arrays),
        "turn": [None if turn < 0 else turn for turn in arrays["turn"].tolist()],
        "scaffold": arrays["scaffold"],
    }


def tokens_view(arrays: "Arrays") -> dict[str, Any]:
    """The arrays of the kind `tokens`, as a `TokensDetail`."""
    return {"window": arrays["window"], **_plain(arrays), **{name: in_full(arrays[name]) for name in BY_LAYER}}


def tokens_arrow(arrays: "Arrays", about: Mapping[str, str]) -> bytes:
    """The same as an Arrow stream: the values of a token's L layers as one list."""
    from models.arrays import unpack_texts

    turned = {**arrays, **{name: arrays[name].T for name in BY_LAYER}}
    return token_stream(turned, unpack_texts(arrays), BY_LAYER, about)


def weights_view(arrays: "Arrays", about: Mapping[str, str]) -> dict[str, Any]:
    """The arrays of the kind `attention`, as `AttentionWeights`."""
    place = {name: int(about[name]) for name in ("layer", "head", "window")}
    return {"analysis_id": about["analysis_id"], **place, **_plain(arrays), "weights": in_full(arrays["weights"])}


def weights_arrow(arrays: "Arrays", about: Mapping[str, str]) -> bytes:
    """The same as an Arrow stream: a token's row of weights as one list."""
    from models.arrays import unpack_texts

    return token_stream(arrays, unpack_texts(arrays), ("weights",), about)
