"""From attention rows to heads, layers, windows and documents.

A head's value is the mean over its defined query rows; a lift is a ratio of two such means. So what is kept of every
window are sums over rows and their counts, and windows combine weighted by their defined rows. A value is NaN where,
and only where, it has no defined row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Final

import numpy as np
from numpy.typing import NDArray

from attention.definitions import CONVERSATION_METRIC_NAMES, METRIC_NAMES
from attention.reductions.summed import LEFT_OUT, ROW_MEANS, SUMMED

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class HeadSums:
    """Sums over the defined rows of each head and their number; entry k is `SUMMED[k]`. (K, L, H) each."""

    total: Floats
    count: Floats

    def __add__(self, other: "HeadSums") -> "HeadSums":
        return HeadSums(self.total + other.total, self.count + other.count)


@dataclass(frozen=True, slots=True, eq=False)
class Folded:
    """One document's metrics: by head (L, H), by layer (L,), and whole."""

    heads: dict[str, Floats]
    layers: dict[str, Floats]
    document: dict[str, float]
    left_out_rows: int


def fold(windows: Sequence[HeadSums], *, turns: bool) -> Folded:
    """One document's metrics from its windows; see `fold_all`."""
    return fold_all([windows], [turns])[0]


def fold_all(documents: Sequence[Sequence[HeadSums]], turns: Sequence[bool]) -> list[Folded]:
    """Combine each document's windows, (K, L, H) each, by their defined rows; then heads to layers to document.

    All documents at once, under one model. Where a document has no `turns` its conversation metrics are NaN.
    """
    if not documents:
        return []
    sums = [reduce(add, windows) for windows in documents]
    total, count = np.stack([each.total for each in sums]), np.stack([each.count for each in sums])  # (D, K, L, H)
    means = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    heads = np.empty((len(sums), len(METRIC_NAMES), *total.shape[2:]))  # (D, M, L, H)
    heads[:, _MEANS[0]] = means[:, _MEANS[1]]
    share, base = means[:, _LIFTS[1]], means[:, _LIFTS[2]]
    heads[:, _LIFTS[0]] = np.divide(share, base, out=np.full(base.shape, np.nan), where=base > 0)
    heads[np.ix_(np.flatnonzero(~np.asarray(turns, np.bool_)), _CONVERSATION)] = np.nan
    layers = mean_of_defined(heads)  # (D, M, L)
    whole = mean_of_defined(layers).tolist()  # (D, M)
    left_out = total[:, SUMMED.index(LEFT_OUT)].sum((1, 2)).round().astype(np.int64).tolist()
    return [
        Folded(
            heads=dict(zip(METRIC_NAMES, heads[place], strict=True)),
            layers=dict(zip(METRIC_NAMES, layers[place], strict=True)),
            document=dict(zip(METRIC_NAMES, whole[place], strict=True)),
            left_out_rows=left_out[place],
        )
        for place in range(len(sums))
    ]


def _places_of_lifts() -> tuple[list[int], list[int], list[int]]:
    """Of every metric that is a ratio of means: its own place, that of its share and that of the share's baseline."""
    places: tuple[list[int], list[int], list[int]] = ([], [], [])
    for place, name in enumerate(METRIC_NAMES):
        if name not in ROW_MEANS:
            share, _, kind = name.partition("_lift")
            named = place, SUMMED.index(share), SUMMED.index(f"{share}{kind or '_uniform'}")
            for into, value in zip(places, named, strict=True):
                into.append(value)
    return places


_MEANS: Final = (
    [place for place, name in enumerate(METRIC_NAMES) if name in ROW_MEANS],
    [SUMMED.index(name) for name in METRIC_NAMES if name in ROW_MEANS],
)
_LIFTS: Final = _places_of_lifts()
_CONVERSATION: Final = np.array([METRIC_NAMES.index(name) for name in CONVERSATION_METRIC_NAMES])


def fold_turns(windows: Sequence[tuple[NDArray[np.int32], Floats]], turns: int) -> dict[str, Floats]:
    """Each turn's metrics from (turn numbers (t,), sums and counts (2, K, L, t)) of a document's windows: (T,) each.

    Mean over a turn's content rows and heads, then over layers; NaN where a turn has no defined row.
    """
    _, metrics, layers, _ = windows[0][1].shape
    total = np.zeros((2, metrics, layers, turns))
    for numbers, sums in windows:
        total[..., numbers] += sums
    means = np.divide(total[0], total[1], out=np.full(total.shape[1:], np.nan), where=total[1] > 0)  # (K, L, T)
    return dict(zip(ROW_MEANS, mean_of_defined(means.swapaxes(1, 2)), strict=True))


def mean_of_defined(values: Floats) -> Floats:
    """Mean over the last axis without what is undefined; NaN where nothing is defined."""
    defined = ~np.isnan(values)
    count = defined.sum(-1)
    total = np.where(defined, values, 0.0).sum(-1)
    return np.asarray(np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0))
