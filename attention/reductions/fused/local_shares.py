"""The shares of content that each row would see if its head attended by distance alone.

The mass that row i puts on the keys [a, b) is a difference of two running sums of the head's mean weights by distance.
So a row takes two reads for each run of content it sees, under any mask whose visible keys are one run.
"""

from typing import Final

import torch
import triton
import triton.language as tl
from torch import Tensor

from attention.kernels import LayersOfRows, Layout
from attention.kernels.distance_baseline import ROUNDING
from attention.kernels.fused.launch import launch
from attention.kernels.rows import FIXED_POINT
from attention.reductions.fused.expectation import expected_of_rows
from attention.reductions.fused.row_metric import IN_LATER_TURN
from attention.reductions.summed import SHARES

HEADS: Final = 4
ROWS: Final = 128
"""Heads and rows that one program takes together."""
DISTANCES: Final = 512
"""Distances that are added up at a time."""
UNIT = tl.constexpr(FIXED_POINT)
LEAST_MASS = tl.constexpr(ROUNDING)


def local_shares(rows: LayersOfRows, layout: Layout) -> Tensor:
    """Each row's shares in the order of `SHARES`: (G, 3, B, H, N) fp32.

    -1 where a row is no content of a later turn than its sequence's first, or has no mass on content; not filled beyond
    a sequence's end. Raises ValueError for a mask with holes.
    """
    if layout.has_holes:
        raise ValueError("shares by distance alone are only for queries that see one run of keys")
    assert rows.by_distance is not None
    by_distance = rows.by_distance
    layers, batch, heads, tokens = by_distance.shape
    device = by_distance.device
    tables, (_, flags, pairs) = layout.tables(device), expected_of_rows(layout, device)
    running = torch.empty(layers, batch, heads, tokens + 1, dtype=torch.float64, device=device)
    launch(
        _running_means, (heads, batch, layers),
        by_distance, pairs, tables["length"], running, tokens,
        BLOCK=DISTANCES,
    )  # fmt: skip
    shares = torch.empty(layers, len(SHARES), batch, heads, tokens, device=device)
    launch(
        _shares, (layers * batch, triton.cdiv(heads, HEADS), triton.cdiv(tokens, ROWS)),  # the first has no limit
        running, tables["first"], tables["last"], tables["length"], flags, tables["query_turn"],
        tables["turn_offset"], tables["turn_speaker"], tables["content_runs"], tables["content_offset"],
        shares, batch, heads, tokens,
        HEADS=HEADS, ROWS=ROWS,
    )  # fmt: skip
    return shares


@triton.jit(do_not_specialize=["tokens"])  # type: ignore[untyped-decorator]
def _running_means(ByDistance, Pairs, Length, Out, tokens, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    """Out[d] is the sum of one head's mean weights at distances below d, d up to the sequence's length."""
    head, item, layer = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    line = tl.cast((layer * tl.num_programs(1) + item) * tl.num_programs(0) + head, tl.int64)
    length = tl.load(Length + item)
    out = Out + line * (tokens + 1)
    below = tl.full([1], 0.0, tl.float64)
    tl.store(out + tl.arange(0, 1), below)
    for base in range(0, length, BLOCK):
        d = base + tl.arange(0, BLOCK)
        sums = tl.load(ByDistance + line * tokens + d, mask=d < length, other=0).to(tl.float64) * UNIT
        pairs = tl.load(Pairs + item * tokens + d, mask=d < length, other=1)
        mean = sums / tl.maximum(pairs, 1).to(tl.float64)
        tl.store(out + 1 + d, below + tl.cumsum(mean, 0), mask=d < length)
        below += tl.sum(mean, 0)


@triton.jit
def _below(running, offset, nearest, asked):  # type: ignore[no-untyped-def]
    """Mean weights at offsets 0 up to but not `offset`; less than 0 for those from `offset` to -1. (HEADS, ROWS)"""
    after = offset > 0
    value = tl.load(running + tl.where(after, offset, 1 - offset), mask=asked, other=0.0)
    return tl.where(after, value, nearest - value)


@triton.jit(do_not_specialize=["batch", "heads", "tokens"])  # type: ignore[untyped-decorator]
def _shares(  # type: ignore[no-untyped-def]
    Running, First, Last, Length, Flags, QueryTurn, TurnOffset, TurnSpeaker, Runs, RunOffset,
    Out, batch, heads, tokens,
    HEADS: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """The shares of ROWS rows of a few heads of one sequence and layer, one run of content after the other."""
    i = tl.program_id(2) * ROWS + tl.arange(0, ROWS)
    head = tl.program_id(1) * HEADS + tl.arange(0, HEADS)
    layer, item = tl.program_id(0) // batch, tl.program_id(0) % batch
    real = i < tl.load(Length + item)
    token = item * tokens + i
    asked = (tl.load(Flags + token, mask=real, other=0) & IN_LATER_TURN) != 0
    first = tl.load(First + token, mask=asked, other=2147483647)
    last = tl.load(Last + token, mask=asked, other=0)
    low, high = tl.min(first, 0), tl.max(last, 0)
    own = tl.load(QueryTurn + token, mask=asked, other=-1)
    speaker = tl.load(TurnSpeaker + tl.load(TurnOffset + item) + own, mask=asked, other=-1)
    is_head = head < heads
    line = tl.cast((layer * batch + item) * heads + head, tl.int64) * (tokens + 1)
    running = Running + line[:, None]
    nearest = tl.load(Running + line + 1, mask=is_head, other=0.0)[:, None]

    same_turn = tl.zeros([HEADS, ROWS], tl.float64)
    history = tl.zeros([HEADS, ROWS], tl.float64)  # on other turns of the row's speaker
    others = tl.zeros([HEADS, ROWS], tl.float64)  # on other speakers
    run = tl.load(RunOffset + item)
    past = tl.where(high > low, tl.load(RunOffset + item + 1), run)
    for each in range(run, past):
        begin, stop = tl.load(Runs + each * 4), tl.load(Runs + each * 4 + 1)
        if (begin < high) & (stop > low):
            turn, who = tl.load(Runs + each * 4 + 2), tl.load(Runs + each * 4 + 3)
            a, b = tl.maximum(begin, first), tl.minimum(stop, last)
            sees = is_head[:, None] & (a < b)[None, :]
            mass = _below(running, (b - i)[None, :], nearest, sees) - _below(running, (a - i)[None, :], nearest, sees)
            mass = tl.where(sees, mass, 0.0)
            same_turn += tl.where((own == turn)[None, :], mass, 0.0)
            history += tl.where(((own != turn) & (speaker == who))[None, :], mass, 0.0)
            others += tl.where((speaker != who)[None, :], mass, 0.0)

    content = same_turn + history + others
    possible = asked[None, :] & (content > LEAST_MASS)
    scale = 1.0 / tl.where(possible, content, 1.0)
    apart = tl.cast(batch * heads, tl.int64) * tokens
    out = Out + layer * 3 * apart + tl.cast(item * heads + head, tl.int64)[:, None] * tokens + i[None, :]
    inside = is_head[:, None] & real[None, :]
    _store_share(out, others + history, scale, possible, inside)  # cross_turn
    _store_share(out + apart, others, scale, possible, inside)  # cross_speaker
    _store_share(out + 2 * apart, history, scale, possible, inside)  # own_history


@triton.jit
def _store_share(out, mass, scale, possible, inside):  # type: ignore[no-untyped-def]
    share = tl.where(mass > LEAST_MASS, mass, 0.0) * scale
    tl.store(out, tl.where(possible, share, -1.0).to(tl.float32), mask=inside)
