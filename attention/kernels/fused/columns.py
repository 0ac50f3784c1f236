"""Sums of weights by key: what each token receives, in a reading of the queries that see it."""

import triton
import triton.language as tl
from torch import Tensor

from attention.kernels.call import AttentionCall
from attention.kernels.fused.diagonals import reach_in_tokens
from attention.kernels.fused.launch import launch
from attention.kernels.fused.output import scales, wide
from attention.kernels.fused.tiles import tile_of
from attention.kernels.fused.weights import HIDDEN, log2_of_scores, power_of_two, rows_of_heads
from attention.kernels.rows import FIXED_POINT

UNITS = tl.constexpr(1 / FIXED_POINT)
"""Fixed-point units in 1."""


def fill_received(call: AttentionCall, lse: Tensor, unit: float, received: Tensor) -> None:
    """Write the sum of the weights on each key into `received` (B, Hq, N), int64."""
    query, key, layout = call.query, call.key, call.layout
    batch, heads, tokens = call.shape
    width, device = query.shape[-1], query.device
    tables = layout.tables(device)
    tile = tile_of("columns", query, width, both_ways=layout.both_ways)
    scale, cap = scales(call)
    launch(
        _columns, (triton.cdiv(tokens, tile.rows), heads, batch),
        query, key, lse, tables["first"], tables["last"], tables["start"], tables["length"],
        received,
        *query.stride(), *key.stride(), *received.stride()[:2], tokens, *reach_in_tokens(call),
        heads // key.shape[1], scale, cap, unit,
        D=width, WIDE=wide(width), M=tile.rows, N=tile.columns, HAS_REACH=layout.reach is not None,
        HAS_SOFTCAP=call.softcap is not None,
        INTERPRETED=device.type == "cpu", **tile.options(),
    )  # fmt: skip


@triton.jit  # type: ignore[untyped-decorator]
def _weights(  # type: ignore[no-untyped-def]
    k, queries, lse, at, d, q_n, q_d, scale, softcap, lse_unit,
    D: tl.constexpr, WIDE: tl.constexpr, HAS_SOFTCAP: tl.constexpr, INTERPRETED: tl.constexpr,
):  # fmt: skip
    """log2 of the weights of the queries `at` (N,) on keys `k` (M, WIDE), before any mask. (M, N)"""
    q = rows_of_heads(queries, at, q_n, d, q_d, D, WIDE, INTERPRETED)
    shift = tl.load(lse + at) * lse_unit
    s = tl.dot(k, tl.trans(q), input_precision="tf32x3")
    return log2_of_scores(s, scale, softcap, HAS_SOFTCAP) - shift[None, :]


@triton.jit  # type: ignore[untyped-decorator]
def _columns(  # type: ignore[no-untyped-def]
    Q, K, Lse, First, Last, Start, Length, Received,
    q_b, q_h, q_n, q_d, k_b, k_h, k_n, k_d, r_b, r_h, tokens, before, after, group, scale, softcap, lse_unit,
    D: tl.constexpr, WIDE: tl.constexpr, M: tl.constexpr, N: tl.constexpr, HAS_REACH: tl.constexpr,
    HAS_SOFTCAP: tl.constexpr, INTERPRETED: tl.constexpr,
):  # fmt: skip
    """M keys of one head, which the program owns, against the queries that may see them, N at a time."""
    block, head, item = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    length, start = tl.load(Length + item), tl.load(Start + item)
    if block * M < length:
        j = block * M + tl.arange(0, M)
        x, d = tl.arange(0, N), tl.arange(0, WIDE)
        item_64 = item.to(tl.int64)
        queries = Q + item_64 * q_b + head * q_h + start * q_n
        keys = K + item_64 * k_b + (head // group) * k_h + start * k_n
        lse = Lse + (item_64 * tl.num_programs(1) + head) * tokens
        final = length - 1  # what lies beyond is read from there, and hidden
        k = rows_of_heads(keys, tl.minimum(j, final), k_n, d, k_d, D, WIDE, INTERPRETED)
        sums = tl.zeros([M, N], tl.float32)
        low = tl.maximum(block * M - after, 0) // N * N
        high = tl.minimum(block * M + M + before, length)
        # Tiles whose queries see all these keys stand in the middle, between those that need a mask.
        clear = (tl.maximum(block * M + M - 1 - after, 0) + N - 1) // N * N
        past = tl.minimum(block * M + before + 1, length) // N * N
        if not HAS_REACH:
            past = low
        clear = tl.minimum(tl.maximum(clear, low), (high + N - 1) // N * N)
        past = tl.maximum(past, clear)
        for base in range(clear, past, N):
            sums += power_of_two(_weights(k, queries, lse, base + x, d, q_n, q_d, scale, softcap, lse_unit,
                                          D, WIDE, HAS_SOFTCAP, INTERPRETED), INTERPRETED)  # fmt: skip
        left = (clear - low) // N
        right = (tl.maximum(high - past, 0) + N - 1) // N
        for step in range(0, left + right):
            i = tl.where(step < left, low + step * N, past + (step - left) * N) + x
            at = tl.minimum(i, final)
            t = _weights(k, queries, lse, at, d, q_n, q_d, scale, softcap, lse_unit, D, WIDE, HAS_SOFTCAP, INTERPRETED)
            first, last = tl.load(First + item * tokens + at), tl.load(Last + item * tokens + at)
            last = tl.where(i < length, last, 0)
            t = tl.where((j[:, None] >= first[None, :]) & (j[:, None] < last[None, :]), t, HIDDEN)
            sums += power_of_two(t, INTERPRETED)
        total = (tl.sum(sums, 1) * UNITS).to(tl.int64)
        tl.store(Received + item_64 * r_b + head * r_h + j, total, mask=j < length)
