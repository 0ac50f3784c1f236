"""What uniform attention would give for every row and key of a batch, by whole arrays on any device.

Where each query's keys are one run everything follows from running counts; masks with holes take each sequence's matrix
(`kernels/uniform_baseline.py`, which is the oracle of this too).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from attention.kernels import Layout
from attention.kernels.rows import as_fixed, as_float
from attention.kernels.uniform_baseline import uniform
from attention.reductions.summed import SHARES

SEES, SEES_OTHERS, SEES_SEVERAL, SEES_SEVERAL_OTHERS, IS_LATER, IN_LATER_TURN = (1 << bit for bit in range(6))
"""Bits of `Expectation.flags`: a row sees a key, one but the first, two, two but the first; it is not the sequence's
first row; it is content of a turn after the sequence's first."""
FLAGS: Final = {
    "SEES": SEES,
    "SEES_OTHERS": SEES_OTHERS,
    "SEES_SEVERAL": SEES_SEVERAL,
    "SEES_SEVERAL_OTHERS": SEES_SEVERAL_OTHERS,
    "IS_LATER": IS_LATER,
    "IN_LATER_TURN": IN_LATER_TURN,
}
"""The bits by name, for kernels in other languages."""


@dataclass(frozen=True, slots=True, eq=False)
class Expectation:
    """What rows and keys of a batch have under uniform attention over the same visible keys.

    `factors` (6, B, N) float64: one over the logarithm of the keys a row sees (of 2 where fewer); one over the mean
    distance to those but key 0 (over 1/2 where less); one over the logarithm of the number of those but key 0; and the
    expected shares in the order of `SHARES`, 0 in rows that are not content of a later turn. `flags` (B, N) int32.
    `pairs` (B, N) int32: visible pairs at each distance. `seen_by` (B, N) int32: queries that see a key, and `received`
    (B, N) float64 the sum of their weights on it.
    """

    factors: Tensor
    flags: Tensor
    pairs: Tensor
    seen_by: Tensor
    received: Tensor

    @classmethod
    def of(cls, layout: Layout, device: torch.device) -> "Expectation":
        """Made once for all layers under one mask."""
        return layout.once(
            (__name__, device), lambda: _from_each(layout, device) if layout.has_holes else _from_runs(layout, device)
        )


def _expectation(
    visible: Tensor,
    visible_rest: Tensor,
    distance_rest: Tensor,
    later_turn: Tensor,
    shares: Tensor,
    pairs: Tensor,
    seen_by: Tensor,
    received: Tensor,
) -> Expectation:
    later = torch.arange(visible.shape[1], device=visible.device) > 0
    conditions = (visible > 0, visible_rest > 0, visible > 1, visible_rest > 1, later.expand_as(visible), later_turn)
    flags = sum(condition.int() * bit for condition, bit in zip(conditions, FLAGS.values(), strict=True))
    factors = (
        1 / visible.clamp(min=2).double().log(),
        1 / distance_rest.clamp(min=0.5),
        1 / visible_rest.clamp(min=2).double().log(),
    )
    assert isinstance(flags, Tensor)
    return Expectation(torch.cat([torch.stack(factors), shares]), flags, pairs.int(), seen_by.int(), received)


def _from_each(layout: Layout, device: torch.device) -> Expectation:
    groups = layout.groups
    each = [uniform(keys, group) for keys, group in zip(layout.visible_keys, groups.each, strict=True)]

    def rows(name: str) -> Tensor:
        stacked = np.zeros((groups.sequences, groups.tokens), getattr(each[0], name).dtype)
        for row, expected in zip(stacked, each, strict=True):
            values = getattr(expected, name)
            row[: len(values)] = values
        return torch.from_numpy(stacked).to(device)

    return _expectation(
        rows("visible"),
        rows("visible_rest"),
        rows("distance_rest"),
        rows("later_turn_rows"),
        torch.stack([rows(name) for name in SHARES]),
        rows("pairs"),
        rows("seen_by"),
        rows("received"),
    )


def _from_runs(layout: Layout, device: torch.device) -> Expectation:
    tables = layout.tables(device)
    first, last = tables["first"].long(), tables["last"].long()  # (B, N)
    place = torch.arange(layout.groups.tokens, device=device)
    visible = last - first
    first_rest = torch.where(visible > 0, first.clamp(min=1), last)
    visible_rest = last - first_rest
    distance = _distance_sum(place, first_rest, last)
    distance_rest = torch.where(visible_rest > 0, distance.double() / visible_rest.clamp(min=1), 0.0)
    weight = torch.where(visible > 0, 1 / visible.clamp(min=1).double(), 0.0)
    seen_by = _spread(first, last, (visible > 0).long())
    received = as_float(_spread(first, last, as_fixed(weight)))  # whole numbers: their order does not matter
    pairs = _pairs(place, first, last)
    if layout.groups.turns:
        later_turn, shares = _shares(layout, device, first, last)
    else:
        later_turn = torch.zeros_like(visible, dtype=torch.bool)
        shares = torch.zeros(len(SHARES), *visible.shape, dtype=torch.float64, device=device)
    return _expectation(visible, visible_rest, distance_rest, later_turn, shares, pairs, seen_by, received)


def _distance_sum(place: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """sum of |i-j| over first <= j < last, 0 where there is no such j. (B, N)"""

    def triangle(m: Tensor) -> Tensor:
        m = m.clamp(min=0)
        return m * (m + 1) // 2

    before = triangle(place - first) - triangle(place - last)  # keys j < i: distances i - last + 1 .. i - first
    after = triangle(last - 1 - place) - triangle(first - 1 - place)
    return torch.where(last > first, before + after, 0)


def _edges(first: Tensor, last: Tensor, weight: Tensor, size: int) -> Tensor:
    """Running sums (B, size) of `weight` added from each entry's `first` on and taken away from its `last` on."""
    edges = weight.new_zeros(len(first), size + 1)
    return edges.scatter_add_(1, first, weight).scatter_add_(1, last, -weight).cumsum(1).narrow(1, 0, size)


def _spread(first: Tensor, last: Tensor, weight: Tensor) -> Tensor:
    """For each key the sum of `weight` over the queries that see it. (B, N)"""
    return _edges(first, last, weight, first.shape[1])


def _pairs(place: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """Visible (query, key) pairs at each distance 0..N-1. (B, N)"""
    tokens = first.shape[1]
    sees = last > first
    left = (sees & (first <= place)).long()  # keys up to the query: from i - min(last - 1, i) to i - first
    nearest = (place - torch.minimum(last - 1, place)).clamp(0, tokens)
    pairs = _edges(nearest, (place - first + 1).clamp(0, tokens), left, tokens)
    right = (sees & (last - 1 > place)).long()  # keys after the query: from max(first, i + 1) - i to last - 1 - i
    begin = (torch.maximum(first, place + 1) - place).clamp(0, tokens)
    return pairs + _edges(begin, (last - place).clamp(0, tokens), right, tokens)


def _shares(layout: Layout, device: torch.device, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    """Which rows are content of a later turn than the sequence's first (B, N), and what they expect (3, B, N)."""
    tables, tokens = layout.tables(device), layout.groups.tokens
    own = tables["query_turn"].long()  # (B, N)
    content = own >= 0
    offset = tables["turn_offset"].long().narrow(0, 0, len(own)).unsqueeze(1)  # (B, 1)
    turn = torch.where(content, own + offset, -1)  # among all sequences' turns
    speaker = torch.where(content, tables["turn_speaker"].long().take(turn.clamp(min=0)), -1)
    item = torch.arange(len(own), device=device).unsqueeze(1)
    speakers = int(layout.groups.turn_speaker.max()) + 1
    first_content = content.int().argmax(1, keepdim=True)
    later_turn = content & (own != own.gather(1, first_content))
    total = torch.nn.functional.pad(content.long().cumsum(1), (1, 0))  # (B, N + 1)
    of_any = torch.where(content, total.gather(1, last) - total.gather(1, first), 0)
    same_turn = _within_label(turn, content, first, last, tokens)
    same_speaker = _within_label(speaker + item * speakers, content, first, last, tokens)
    share = torch.where(later_turn & (of_any > 0), 1 / of_any.clamp(min=1).double(), 0.0)
    shares = torch.stack([of_any - same_turn, of_any - same_speaker, same_speaker - same_turn])
    return later_turn, shares * share


def _within_label(label: Tensor, content: Tensor, first: Tensor, last: Tensor, tokens: int) -> Tensor:
    """Visible content keys with a row's own label; labels of different sequences differ. (B, N)

    All content keys' (label, place) in order, as one number each: those in between are counted by searching.
    """
    base = label * (tokens + 1)
    last_of_all = torch.iinfo(torch.int64).max
    place = torch.arange(tokens, device=label.device)
    ordered = torch.where(content, base + place, last_of_all).flatten().sort().values
    upper, lower = torch.searchsorted(ordered, base + last), torch.searchsorted(ordered, base + first)
    return torch.where(content, upper - lower, 0)
