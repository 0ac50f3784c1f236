"""From attention rows to heads, layers, windows and documents.

A head's value is the mean over its defined query rows; a lift is a ratio of two such means. So what is kept of every
window are sums over rows and their counts, and windows combine weighted by their defined rows. A value is NaN where,
and only where, it has no defined row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attention.definitions import CONVERSATION_METRIC_NAMES, METRIC_NAMES
from attention.reductions.summed import LEFT_OUT, ROW_MEANS, SUMMED

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class HeadSums:
    """Sums over the defined rows of each head and their number; entry k is `SUMMED[k]`. (K, ..., H) each."""

    total: Floats
    count: Floats

    def __add__(self, other: "HeadSums") -> "HeadSums":
        return HeadSums(self.total + other.total, self.count + other.count)

    def mean(self, name: str) -> Floats:
        """Mean over the defined rows; NaN where there are none. (..., H)"""
        index = SUMMED.index(name)
        total, count = self.total[index], self.count[index]
        return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))


@dataclass(frozen=True, slots=True, eq=False)
class Folded:
    """One document's metrics: by head (L, H), by layer (L,), and whole."""

    heads: dict[str, Floats]
    layers: dict[str, Floats]
    document: dict[str, float]
    left_out_rows: int


def fold(windows: Sequence[HeadSums], *, turns: bool) -> Folded:
    """Combine a document's windows, (K, L, H) each, weighted by their defined rows; then heads to layers to document.

    Without `turns` the conversation metrics are NaN.
    """
    sums = windows[0]
    for window in windows[1:]:
        sums = sums + window
    heads: dict[str, Floats] = {}
    for name in METRIC_NAMES:
        if name in CONVERSATION_METRIC_NAMES and not turns:
            heads[name] = np.full(sums.total.shape[1:], np.nan)
        elif name in ROW_MEANS:
            heads[name] = sums.mean(name)
        else:
            share, kind = (name.removesuffix("_lift"), "uniform")
            if name.endswith("_lift_local"):
                share, kind = name.removesuffix("_lift_local"), "local"
            base = sums.mean(f"{share}_{kind}")
            heads[name] = np.divide(sums.mean(share), base, out=np.full(base.shape, np.nan), where=base > 0)
    layers = {name: mean_of_defined(values) for name, values in heads.items()}
    document = {name: float(mean_of_defined(values)) for name, values in layers.items()}
    return Folded(heads, layers, document, round(float(sums.total[SUMMED.index(LEFT_OUT)].sum())))


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
