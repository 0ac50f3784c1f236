"""The reductions in PyTorch: on any device and under any mask, if need be one sequence after the other."""

from collections.abc import Iterator
from itertools import chain

import torch
from torch import Tensor

from attention.definitions import SINK_LIMIT
from attention.kernels import LayersOfRows, Layout, RowStatistics
from attention.kernels.distance_baseline import by_distance_alone
from attention.kernels.rows import as_float
from attention.reductions.expectation import (
    IN_LATER_TURN,
    IS_LATER,
    SEES,
    SEES_OTHERS,
    SEES_SEVERAL,
    SEES_SEVERAL_OTHERS,
    Expectation,
)
from attention.reductions.summed import LEFT_OUT, ROW_MEANS, SHARES, SUMMED, RowSums

STATES = 1 << 22
"""Numbers of hidden states that are taken at a time, to bound what their float64 copies hold."""

Defined = tuple[str, Tensor, Tensor]
"""A kind of sum, its value for every row and which rows have one: (B, H, N) each."""


def sum_rows(rows: LayersOfRows, layout: Layout, *, of_turns: bool) -> RowSums:
    """Sums over the defined rows of every head and, with `of_turns`, of every turn, and how many there are."""
    layers = [_sum_layer(rows.layer(index), layout, of_turns=of_turns) for index in range(rows.layers)]
    turns = [of_turn for _, of_turn in layers if of_turn is not None]
    return RowSums(torch.stack([of_head for of_head, _ in layers]), torch.stack(turns) if turns else None)


def _sum_layer(rows: RowStatistics, layout: Layout, *, of_turns: bool) -> tuple[Tensor, Tensor | None]:
    _, batch, heads, _ = rows.values.shape
    device = rows.values.device
    expected = Expectation.of(layout, device)
    found = torch.zeros(2, len(SUMMED), batch, heads, dtype=torch.float64, device=device)
    shape = (2, len(ROW_MEANS), layout.groups.turns + 1)  # the last takes the rows of no turn
    turns = torch.zeros(shape, dtype=torch.float64, device=device)
    tables = layout.tables(device)
    own = tables["query_turn"].long()
    slot = torch.where(own >= 0, own + tables["turn_offset"].long()[:-1, None], layout.groups.turns).flatten()
    for name, values, defined in chain(_of_every_row(rows, expected), _of_talk(rows, layout, expected)):
        index = SUMMED.index(name)
        kept = torch.where(defined, values, 0.0)
        found[0, index] = kept.sum(-1, dtype=torch.float64)
        found[1, index] = defined.sum(-1)
        if of_turns and name in ROW_MEANS:
            for sums, each in zip(turns[:, index], (kept, defined), strict=True):
                sums.index_add_(0, slot, each.sum(1, dtype=torch.float64).flatten())
    return found, turns[..., :-1] if of_turns else None


def _of_every_row(rows: RowStatistics, expected: Expectation) -> Iterator[Defined]:
    """One metric at a time, so that only one is in memory."""
    shape = rows.distance.shape
    per_visible, per_distance, per_rest = expected.factors[:3, :, None]  # (B, 1, N) each
    real, others, several, several_others, later = (
        ((expected.flags & bit) > 0)[:, None].expand(shape)
        for bit in (SEES, SEES_OTHERS, SEES_SEVERAL, SEES_SEVERAL_OTHERS, IS_LATER)
    )
    measurable = (rows.rest >= SINK_LIMIT) & others
    yield "distance", rows.distance, real
    yield "distance_without_sink", rows.distance_rest, measurable
    yield "distance_spread", rows.variance.double().clamp(min=0).sqrt(), real
    yield "entropy", rows.entropy, real
    yield "entropy_without_sink", rows.entropy_rest, measurable
    yield "dispersion", rows.entropy * per_visible, several
    product = (rows.distance_rest * per_distance) * (rows.entropy_rest * per_rest)
    yield "interdependency", product, measurable & several_others
    yield "sink", rows.sink, real & later
    yield "scaffold", rows.scaffold, real
    yield "null_mass", rows.null_mass, real
    yield LEFT_OUT, torch.ones_like(rows.distance), real & others & ~measurable


def _of_talk(rows: RowStatistics, layout: Layout, expected: Expectation) -> Iterator[Defined]:
    """Conversation shares of each row with their expectations; nothing without turns."""
    if rows.by_distance is None or not layout.groups.turns:
        return
    later_turn = ((expected.flags & IN_LATER_TURN) > 0)[:, None].expand_as(rows.content)
    content = rows.content.double()
    defined = later_turn & (content > 0)
    safe = torch.where(defined, content, 1.0)
    for name, share in zip(SHARES, expected.factors[3:, :, None], strict=True):
        yield name, getattr(rows, name) / safe, defined
        yield f"{name}_uniform", share.expand_as(content), later_turn
    yield "turn_distance", rows.turn_steps / safe, defined
    local = content.new_zeros(4, *content.shape)
    sums = as_float(rows.by_distance)
    for index, (keys, groups) in enumerate(zip(layout.visible_keys, layout.groups.each, strict=True)):
        if groups.turns > 1:
            n = keys.tokens
            mean = sums[index, :, :n] / expected.pairs[index, :n].clamp(min=1)
            local[:, index, :, :n] = by_distance_alone(mean, keys, groups)
    possible = later_turn & (local[0] > 0)
    safe = torch.where(possible, local[0], 1.0)
    for name, mass in zip(SHARES, local[1:], strict=True):
        yield f"{name}_local", mass / safe, possible


def sum_segments(states: Tensor, index: Tensor, segments: Tensor) -> Tensor:
    """Sums (S, d) in float64 of the states (B, N, d) of each segment's rows.

    `index` (B, N) is the segment that a token belongs to, -1 for none; `segments` (S, 3) are each one's sequence, first
    row and one past its last.
    """
    width = states.shape[-1]
    sums = torch.zeros(len(segments) + 1, width, dtype=torch.float64, device=states.device)  # the last: of no segment
    flat = states.reshape(-1, width)
    slot = _slots(index, segments).flatten()
    step = max(1, STATES // width)
    for low in range(0, len(flat), step):
        sums.index_add_(0, slot[low : low + step], flat[low : low + step].double())
    return sums[:-1]


def _slots(index: Tensor, segments: Tensor) -> Tensor:
    """The segment that each token counts for, one past the last for none. (B, N)"""
    none = torch.full_like(index, len(segments), dtype=torch.long)
    if not len(segments):
        return none
    sequence, first, past = segments.long()[index.clamp(min=0).long()].unbind(-1)  # (B, N) each
    row = torch.arange(len(index), device=index.device)[:, None]
    place = torch.arange(index.shape[1], device=index.device)
    counts = (index >= 0) & (sequence == row) & (first <= place) & (place < past)
    return torch.where(counts, index.long(), none)
