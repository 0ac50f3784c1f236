"""Sums of every metric over the rows of each head and of each turn, of all layers at once."""

from typing import Final

import torch
import triton
import triton.language as tl
from torch import Tensor

from attention.kernels import LayersOfRows, Layout
from attention.kernels.fused.launch import launch
from attention.kernels.rows import PLACES
from attention.reductions.fused.expectation import expected_of_rows
from attention.reductions.fused.local_shares import local_shares
from attention.reductions.fused.row_metric import needs_turns, row_metric
from attention.reductions.summed import ROW_MEANS, SUMMED, RowSums

HEAD_TILE: Final = {"HEADS": 4, "ROWS": 128}
TURN_TILE: Final = {"HEADS": 8, "ROWS": 32}
"""Heads and rows that one program adds at a time; a turn's rows are few, and its sum is one over all heads."""


def sum_rows(rows: LayersOfRows, layout: Layout, *, of_turns: bool) -> RowSums:
    """Sums and counts over the defined rows of every head, and `of_turns` of every turn, of all layers.

    At most four launches. Raises ValueError for turns under a mask with holes.
    """
    values = rows.values
    layers, kinds, batch, heads, tokens = values.shape
    device = values.device
    tables, (factors, flags, _) = layout.tables(device), expected_of_rows(layout, device)
    has_turns = kinds == len(PLACES) and rows.by_distance is not None and layout.groups.turns > 0
    local = local_shares(rows, layout) if has_turns else values  # without turns nothing reads it
    given = (values, local, factors, flags)
    sizes = (kinds, batch, heads, tokens)
    by_head = torch.empty(layers, 2, len(SUMMED), batch, heads, dtype=torch.float64, device=device)
    launch(
        _head_sums, (triton.cdiv(heads, HEAD_TILE["HEADS"]), batch, layers * len(SUMMED)),
        *given, tables["length"], by_head, *sizes,
        KINDS=len(SUMMED), HAS_TURNS=has_turns, **HEAD_TILE,
    )  # fmt: skip
    by_turn = None
    if of_turns:
        by_turn = _sum_turns(given, tables["turn_rows"], tables["query_turn"], sizes, has_turns)
    return RowSums(by_head, by_turn)


def _sum_turns(
    given: tuple[Tensor, ...], turn_rows: Tensor, query_turn: Tensor, sizes: tuple[int, ...], has_turns: bool
) -> Tensor:
    values, turns = given[0], len(turn_rows)
    by_turn = torch.empty(len(values), 2, len(ROW_MEANS), turns, dtype=torch.float64, device=values.device)
    if turns:
        launch(
            _turn_sums, (turns, len(ROW_MEANS), len(values)),
            *given, turn_rows, query_turn, by_turn, *sizes,
            HAS_TURNS=has_turns, **TURN_TILE,
        )  # fmt: skip
    return by_turn


@triton.jit(do_not_specialize=["kinds", "batch", "heads", "tokens"])  # type: ignore[untyped-decorator]
def _head_sums(  # type: ignore[no-untyped-def]
    Values, Local, Factors, Flags, Length, Out, kinds, batch, heads, tokens,
    KINDS: tl.constexpr, HAS_TURNS: tl.constexpr, HEADS: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """One kind over all rows of a few heads of one sequence and layer."""
    head = tl.program_id(0) * HEADS + tl.arange(0, HEADS)
    item, layer, kind = tl.program_id(1), tl.program_id(2) // KINDS, tl.program_id(2) % KINDS
    is_head = head < heads
    plane = tl.cast(batch * heads, tl.int64) * tokens
    line = tl.cast(item * heads + head, tl.int64) * tokens  # (HEADS,)
    past = tl.load(Length + item)
    if not HAS_TURNS:
        past = tl.where(needs_turns(kind), 0, past)
    sums = tl.zeros([HEADS, ROWS], tl.float64)
    counts = tl.zeros([HEADS, ROWS], tl.int32)
    for base in range(0, past, ROWS):
        i = base + tl.arange(0, ROWS)
        value, defined = row_metric(
            kind, Values + layer * kinds * plane, Local + layer * 3 * plane, plane, line[:, None] + i[None, :],
            Factors, Flags, batch * tokens, (item * tokens + i)[None, :], is_head[:, None] & (i < past)[None, :],
        )  # fmt: skip
        sums += value
        counts += defined.to(tl.int32)
    apart = batch * heads
    out = Out + (layer * 2 * KINDS + kind) * apart + item * heads + head
    tl.store(out, tl.sum(sums, 1), mask=is_head)
    tl.store(out + KINDS * apart, tl.sum(counts, 1).to(tl.float64), mask=is_head)


@triton.jit(do_not_specialize=["kinds", "batch", "heads", "tokens"])  # type: ignore[untyped-decorator]
def _turn_sums(  # type: ignore[no-untyped-def]
    Values, Local, Factors, Flags, TurnRows, QueryTurn, Out, kinds, batch, heads, tokens,
    HAS_TURNS: tl.constexpr, HEADS: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """One kind over the content rows of one turn and all heads of one layer."""
    number, kind, layer = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    item, turn = tl.load(TurnRows + number * 4), tl.load(TurnRows + number * 4 + 1)
    first, past = tl.load(TurnRows + number * 4 + 2), tl.load(TurnRows + number * 4 + 3)
    if not HAS_TURNS:
        past = tl.where(needs_turns(kind), first, past)
    plane = tl.cast(batch * heads, tl.int64) * tokens
    sums = tl.zeros([HEADS, ROWS], tl.float64)
    counts = tl.zeros([HEADS, ROWS], tl.int32)
    for few in range(0, heads, HEADS):
        head = few + tl.arange(0, HEADS)
        line = tl.cast(item * heads + head, tl.int64) * tokens
        for base in range(first, past, ROWS):
            i = base + tl.arange(0, ROWS)
            token = item * tokens + i
            said = tl.load(QueryTurn + token, mask=i < past, other=-1) == turn
            value, defined = row_metric(
                kind, Values + layer * kinds * plane, Local + layer * 3 * plane, plane, line[:, None] + i[None, :],
                Factors, Flags, batch * tokens, token[None, :], (head < heads)[:, None] & said[None, :],
            )  # fmt: skip
            sums += value
            counts += defined.to(tl.int32)
    apart = tl.num_programs(0)
    out = Out + (layer * 2 * tl.num_programs(1) + kind) * apart + number
    tl.store(out, tl.sum(tl.sum(sums, 1), 0))
    tl.store(out + tl.num_programs(1) * apart, tl.sum(tl.sum(counts, 1), 0).to(tl.float64))
