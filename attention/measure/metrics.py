"""From attention rows to heads, layers, windows and documents.

A head's value is the mean over its defined query rows; a lift is a ratio of two such means. So what is kept of every
window are sums over rows and their counts, and windows combine weighted by their defined rows. A value is NaN where,
and only where, it has no defined row.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attention.definitions import CONVERSATION_METRIC_NAMES, METRIC_NAMES, SINK_LIMIT, TURN_METRIC_NAMES
from attention.kernels.distance_baseline import by_distance_alone
from attention.kernels.rows import KeyGroups, RowStatistics
from attention.kernels.uniform_baseline import Uniform, uniform
from attention.kernels.visibility import VisibleKeys

Floats = NDArray[np.float64]

SHARES = ("cross_turn", "cross_speaker", "own_history")
ROW_MEANS = TURN_METRIC_NAMES
"""The metrics that are means over rows, of a head as of a turn."""
LEFT_OUT = "left_out"
"""Counts rows that see other keys than the first but have less than `SINK_LIMIT` of their mass on them."""
SUMMED = (*ROW_MEANS, *(f"{share}_{kind}" for kind in ("uniform", "local") for share in SHARES), LEFT_OUT)
"""What is summed over rows, in the order of `HeadSums`; `*_uniform` and `*_local` are the lifts' denominators."""


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
class Expectation:
    """What uniform attention would give for a batch under one mask: tensors (B, 1, N), the same for all heads."""

    each: tuple[Uniform, ...]
    visible_keys: tuple[VisibleKeys, ...]
    groups: tuple[KeyGroups, ...]
    visible: Tensor
    visible_rest: Tensor
    distance_rest: Tensor
    later_turn_rows: Tensor
    shares: Mapping[str, Tensor]
    later_rows: Tensor  # every row but a sequence's first

    @classmethod
    def of(
        cls, visible_keys: Sequence[VisibleKeys], groups: Sequence[KeyGroups], tokens: int, device: torch.device
    ) -> "Expectation":
        each = tuple(uniform(keys, group) for keys, group in zip(visible_keys, groups, strict=True))

        def rows(name: str) -> Tensor:
            stacked = np.zeros((len(each), 1, tokens), np.float64)
            for index, expected in enumerate(each):
                values = getattr(expected, name)
                stacked[index, 0, : len(values)] = values
            return torch.from_numpy(stacked).to(device)

        later_rows = torch.ones(1, 1, tokens, dtype=torch.bool, device=device)
        later_rows[..., :1] = False
        return cls(
            each=each,
            visible_keys=tuple(visible_keys),
            groups=tuple(groups),
            visible=rows("visible"),
            visible_rest=rows("visible_rest"),
            distance_rest=rows("distance_rest"),
            later_turn_rows=rows("later_turn_rows") > 0,
            shares={name: rows(name) for name in SHARES},
            later_rows=later_rows,
        )


Defined = tuple[str, Tensor, Tensor]
"""A metric's name, its value for every row and which rows have one: (B, H, N) each."""


class TurnSums:
    """Sums over the heads and the content rows of each turn of a batch, one layer after the other.

    The turns of all sequences stand one after the other, `widths` of each sequence, S in all.
    """

    def __init__(self, groups: Sequence[KeyGroups], tokens: int, device: torch.device) -> None:
        self.widths = [group.turns for group in groups]
        slot = np.full((len(groups), tokens), sum(self.widths), np.int64)  # (B, N), past the end for no turn
        first = 0
        for row, group in zip(slot, groups, strict=True):
            own = group.query_turn
            row[: len(own)][own >= 0] = first + own[own >= 0]
            first += group.turns
        self._slot = torch.from_numpy(slot.ravel()).to(device)
        self._layers: list[Tensor] = []

    def new_layer(self) -> None:
        """Begin the sums of the next layer."""
        shape = (2, len(ROW_MEANS), sum(self.widths) + 1)
        self._layers.append(torch.zeros(shape, dtype=torch.float64, device=self._slot.device))

    def add(self, name: str, values: Tensor, defined: Tensor) -> None:
        """Rows (B, H, N) of one metric, 0 where not defined, and how many heads have one."""
        index = ROW_MEANS.index(name)
        for sums, rows in zip(self._layers[-1], (values, defined), strict=True):
            sums[index].index_add_(0, self._slot, rows.sum(1, dtype=torch.float64).flatten())

    def sequences(self) -> list[Floats]:
        """Sums and counts of each sequence's T turns: (2, K, L, T) each, K as in `ROW_MEANS`."""
        stacked = torch.stack(self._layers, 2)[..., :-1].cpu().numpy()  # (2, K, L, S)
        return list(np.split(stacked, np.cumsum(self.widths)[:-1], axis=-1))


def sum_rows(rows: RowStatistics, expected: Expectation, turns: TurnSums | None = None) -> Tensor:
    """Sums and counts over the defined rows of every head of one layer, float64: (2, K, B, H), K as in `SUMMED`.

    With `turns` also those of every turn, as its next layer.
    """
    batch, heads, _ = rows.distance.shape
    found = torch.zeros(2, len(SUMMED), batch, heads, dtype=torch.float64, device=rows.distance.device)
    if turns is not None:
        turns.new_layer()
    for name, values, defined in chain(_of_every_row(rows, expected), _shares(rows, expected)):
        index = SUMMED.index(name)
        kept = torch.where(defined, values, 0.0)
        found[0, index] = kept.sum(-1, dtype=torch.float64)
        found[1, index] = defined.sum(-1)
        if turns is not None and name in ROW_MEANS:
            turns.add(name, kept, defined)
    return found


def _of_every_row(rows: RowStatistics, expected: Expectation) -> Iterator[Defined]:
    """One metric at a time, so that only one is in memory."""
    shape = rows.distance.shape
    real = (expected.visible > 0).expand(shape)
    others = expected.visible_rest > 0
    measurable = (rows.rest >= SINK_LIMIT) & others
    yield "distance", rows.distance, real
    yield "distance_without_sink", rows.distance_rest, measurable
    yield "distance_spread", rows.variance.double().clamp(min=0).sqrt(), real
    yield "entropy", rows.entropy, real
    yield "entropy_without_sink", rows.entropy_rest, measurable
    yield "dispersion", rows.entropy / expected.visible.clamp(min=2).log(), (expected.visible > 1).expand(shape)
    far = rows.distance_rest / expected.distance_rest.clamp(min=0.5)
    even = rows.entropy_rest / expected.visible_rest.clamp(min=2).log()
    yield "interdependency", far * even, measurable & (expected.visible_rest > 1)
    yield "sink", rows.sink, real & expected.later_rows
    yield "scaffold", rows.scaffold, real
    yield "null_mass", rows.null_mass, real
    yield LEFT_OUT, torch.ones_like(rows.distance), real & others & ~measurable


def _shares(rows: RowStatistics, expected: Expectation) -> Iterator[Defined]:
    """Conversation shares of each row with their expectations; nothing without turns."""
    if rows.content is None or rows.by_distance is None:
        return
    later_turn_rows = expected.later_turn_rows.expand_as(rows.content)
    content = rows.content.double()
    defined = later_turn_rows & (content > 0)
    safe = torch.where(defined, content, 1.0)
    for name in SHARES:
        yield name, getattr(rows, name) / safe, defined
        yield f"{name}_uniform", expected.shares[name].expand_as(content), later_turn_rows
    assert rows.turn_steps is not None
    yield "turn_distance", rows.turn_steps / safe, defined
    local = content.new_zeros(4, *content.shape)
    for index, (each, keys, groups) in enumerate(
        zip(expected.each, expected.visible_keys, expected.groups, strict=True)
    ):
        if groups.turns > 1:
            n = keys.tokens
            local[:, index, :, :n] = by_distance_alone(rows.by_distance[index, :, :n], each, keys, groups)
    possible = later_turn_rows & (local[0] > 0)
    safe = torch.where(possible, local[0], 1.0)
    for name, mass in zip(SHARES, local[1:], strict=True):
        yield f"{name}_local", mass / safe, possible


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
