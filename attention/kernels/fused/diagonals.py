"""Sums of weights by distance: whole tiles are added up in registers as a program walks down one diagonal of them."""

from typing import Final

import triton
import triton.language as tl
from torch import Tensor

from attention.kernels.call import AttentionCall
from attention.kernels.fused.launch import launch
from attention.kernels.fused.output import scales, wide
from attention.kernels.fused.tiles import tile_of
from attention.kernels.fused.weights import HIDDEN, log2_weights, power_of_two, rows_of_heads
from attention.kernels.rows import FIXED_POINT

UNITS = tl.constexpr(1 / FIXED_POINT)
"""Fixed-point units in 1."""
UNBOUNDED: Final = 1 << 29
"""More tokens than any sequence has."""


def add_by_distance(call: AttentionCall, lse: Tensor, unit: float, by_distance: Tensor) -> None:
    """Add every weight a[i, j] of sequences with turns to `by_distance` (B, Hq, N), int64, at |i - j|."""
    query, key, layout = call.query, call.key, call.layout
    batch, heads, tokens = call.shape
    width, device = query.shape[-1], query.device
    tables = layout.tables(device)
    tile = tile_of("diagonals", query, width, both_ways=layout.both_ways)
    size = tile.rows
    blocks = triton.cdiv(tokens, size)
    scale, cap = scales(call)
    before, after = reach_in_tokens(call)
    launch(
        _diagonals, (2 * blocks - 1 if layout.both_ways else blocks, heads, batch),
        query, key, lse, tables["first"], tables["last"], tables["start"], tables["length"], tables["turn_offset"],
        by_distance,
        *query.stride(), *key.stride(), *by_distance.stride()[:2], tokens, blocks, before, after,
        heads // key.shape[1], scale, cap, unit,
        D=width, WIDE=wide(width), N=size, BOTH_WAYS=layout.both_ways,
        HAS_REACH=layout.reach is not None, HAS_SOFTCAP=call.softcap is not None,
        INTERPRETED=device.type == "cpu", **tile.options(),
    )  # fmt: skip


def reach_in_tokens(call: AttentionCall) -> tuple[int, int]:
    """How many keys before and after itself a query may see at most; the same whatever the batch is padded to."""
    reach = call.layout.reach
    if reach is None:
        return UNBOUNDED, UNBOUNDED if call.layout.both_ways else 0
    return UNBOUNDED if reach.before is None else reach.before, UNBOUNDED if reach.after is None else reach.after


@triton.jit  # type: ignore[untyped-decorator]
def _tile(  # type: ignore[no-untyped-def]
    queries, keys, lse, first_of, last_of, i, j, d, final, q_n, q_d, k_n, k_d, scale, softcap, lse_unit,
    D: tl.constexpr, WIDE: tl.constexpr, MASKED: tl.constexpr, HAS_SOFTCAP: tl.constexpr, INTERPRETED: tl.constexpr,
):  # fmt: skip
    """Weights of queries i on keys j; MASKED where some may not be seen, or are beyond the `final` one. (N, N)"""
    query_at, key_at = i, j
    if MASKED:
        query_at, key_at = tl.minimum(i, final), tl.minimum(j, final)
    q = rows_of_heads(queries, query_at, q_n, d, q_d, D, WIDE, INTERPRETED)
    shift = tl.load(lse + query_at) * lse_unit
    t = log2_weights(q, keys, key_at, d, k_n, k_d, shift[:, None], scale, softcap, D, WIDE, HAS_SOFTCAP, INTERPRETED)
    if MASKED:
        first, last = tl.load(first_of + query_at), tl.load(last_of + query_at)
        last = tl.where(i <= final, last, 0)
        t = tl.where((j[None, :] >= first[:, None]) & (j[None, :] < last[:, None]), t, HIDDEN)
    return power_of_two(t, INTERPRETED)


@triton.jit  # type: ignore[untyped-decorator]
def _diagonals(  # type: ignore[no-untyped-def]
    Q, K, Lse, First, Last, Start, Length, TurnOffset, ByDistance,
    q_b, q_h, q_n, q_d, k_b, k_h, k_n, k_d, b_b, b_h, tokens, blocks, before, after, group, scale, softcap, lse_unit,
    D: tl.constexpr, WIDE: tl.constexpr, N: tl.constexpr, BOTH_WAYS: tl.constexpr, HAS_REACH: tl.constexpr,
    HAS_SOFTCAP: tl.constexpr, INTERPRETED: tl.constexpr,
):  # fmt: skip
    """All tiles of one head whose queries lie `b` blocks of N after their keys."""
    b, head, item = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    if BOTH_WAYS:
        b = b - (blocks - 1)
    length, start = tl.load(Length + item), tl.load(Start + item)
    reached = ((b - 1) * N < before) & ((-b - 1) * N < after)
    talks = tl.load(TurnOffset + item + 1) > tl.load(TurnOffset + item)
    own_blocks = (length + N - 1) // N
    from_block, to_block = tl.maximum(b, 0), tl.minimum(own_blocks, own_blocks + b)
    if reached & talks & (to_block > from_block):
        x, d = tl.arange(0, N), tl.arange(0, WIDE)
        item_64 = item.to(tl.int64)
        queries = Q + item_64 * q_b + head * q_h + start * q_n
        keys = K + item_64 * k_b + (head // group) * k_h + start * k_n
        lse = Lse + (item_64 * tl.num_programs(1) + head) * tokens
        first, last = First + item * tokens, Last + item * tokens
        sums = tl.zeros([N, N], tl.float32)
        # Tiles that are seen whole come first: none where the diagonal touches the mask's edge.
        whole = tl.maximum(from_block, tl.minimum(to_block, length // N + tl.minimum(b, 0)))
        clear = ((b + 1) * N - 1 <= before) & ((1 - b) * N - 1 <= after)
        whole = tl.where(clear, whole, from_block) if HAS_REACH else from_block
        for block in range(from_block, whole):
            sums += _tile(queries, keys, lse, first, last, block * N + x, (block - b) * N + x, d, length - 1,
                          q_n, q_d, k_n, k_d, scale, softcap, lse_unit,
                          D, WIDE, False, HAS_SOFTCAP, INTERPRETED)  # fmt: skip
        for block in range(whole, to_block):
            sums += _tile(queries, keys, lse, first, last, block * N + x, (block - b) * N + x, d, length - 1,
                          q_n, q_d, k_n, k_d, scale, softcap, lse_unit,
                          D, WIDE, True, HAS_SOFTCAP, INTERPRETED)  # fmt: skip
        # Entry [r, c] of the turned tile is row r's weight on column r - c (mod N): of distance b N + c, or N less.
        turned = tl.gather(sums, (x[:, None] - x[None, :] + N) % N, 1)
        near = tl.sum(tl.where(x[:, None] >= x[None, :], turned, 0.0), 0)
        far = tl.sum(tl.where(x[:, None] < x[None, :], turned, 0.0), 0)
        target = ByDistance + item_64 * b_b + head * b_h
        at = tl.abs(b * N + x)
        tl.atomic_add(target + at, (near * UNITS).to(tl.int64), mask=(at < length) & (near > 0), sem="relaxed")
        at = tl.abs(b * N + x - N)
        tl.atomic_add(target + at, (far * UNITS).to(tl.int64), mask=(at < length) & (far > 0), sem="relaxed")
