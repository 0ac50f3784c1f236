"""Details of tokens that a worker measured, as JSON and as Arrow streams."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from models.schemas.tokens import AttentionWeights, TokensDetail
from service.views.arrow import token_stream
from service.views.turns import with_nulls

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]

BY_LAYER = ("distance", "entropy", "received", "received_lift")


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
