"""Attention's output and each row's log-sum-exp, nothing else: by cuDNN where it can, else by a kernel of our own."""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from attention.kernels.call import AttentionCall
from attention.kernels.fused.launch import launch
from attention.kernels.fused.tiles import tile_of
from attention.kernels.fused.weights import (
    HIDDEN,
    LOG2_E,
    LOG2_OF_E,
    log2_of_scores,
    power_of_two,
    rows_of_heads,
)
from attention.kernels.visibility import CAUSAL

_takes: dict[tuple[torch.dtype, int, bool], bool] = {}
"""Whether cuDNN's operator, which is not public, was found to work: by data type, width, whether heads share keys."""


def output_and_lse(call: AttentionCall) -> tuple[Tensor, Tensor, float]:
    """The output (B, N, Hq, Dv), each row's log-sum-exp (B, Hq, N) over real keys, and the latter's unit in bits."""
    found = _by_cudnn(call)
    return found if found is not None else _by_flash(call)


def _by_cudnn(call: AttentionCall) -> tuple[Tensor, Tensor, float] | None:
    """Only causal attention over right-padded sequences, where no query can see padding; None where it cannot be."""
    query, key, value = call.query, call.key, call.value
    width = query.shape[-1]
    if (
        query.device.type != "cuda"
        or query.dtype not in (torch.float16, torch.bfloat16)
        or width not in (64, 128)
        or value.shape[-1] != width
        or call.layout.reach != CAUSAL
        or not call.layout.is_right_padded
        or call.softcap is not None
        or call.sinks is not None
    ):
        return None
    kind = (query.dtype, width, query.shape[1] != key.shape[1])
    if not _takes.get(kind, True):
        return None
    try:
        found: tuple[Any, ...] = torch.ops.aten._scaled_dot_product_cudnn_attention(
            query, key, value, None, True, 0.0, True, False, scale=call.scaling
        )
    except RuntimeError:
        _takes[kind] = False
        return None
    _takes[kind] = True
    output, lse = found[0], found[1]
    return output.transpose(1, 2), lse.reshape(call.shape), LOG2_E


def _by_flash(call: AttentionCall) -> tuple[Tensor, Tensor, float]:
    query, key, value = call.query, call.key, call.value
    batch, heads, tokens = call.shape
    width, value_width = query.shape[-1], value.shape[-1]
    tables = call.layout.tables(query.device)
    tile = tile_of("output", query, max(width, value_width), both_ways=call.layout.both_ways)
    output = call.empty_output(filled=not call.layout.is_right_padded)
    lse = torch.empty(batch, heads, tokens, device=query.device)
    sinks = lse if call.sinks is None else call.sinks.float().contiguous()
    scale, cap = scales(call)
    launch(
        _flash, (triton.cdiv(tokens, tile.rows), heads, batch),
        query, key, value, output, lse, tables["first"], tables["last"], tables["start"], tables["length"], sinks,
        *query.stride(), *key.stride(), *value.stride(), *output.stride()[:3],
        tokens, heads // key.shape[1], scale, cap,
        D=width, DV=value_width, WIDE=wide(width), WIDE_V=wide(value_width), M=tile.rows, N=tile.columns,
        HAS_SOFTCAP=call.softcap is not None, HAS_SINKS=call.sinks is not None, INTERPRETED=query.device.type == "cpu",
        **tile.options(),
    )  # fmt: skip
    return output, lse, 1.0


def wide(width: int) -> int:
    """The power of two that a head's width is rounded up to."""
    return max(16, int(triton.next_power_of_2(width)))


def scales(call: AttentionCall) -> tuple[float, float]:
    """What `log2_of_scores` takes as scale and cap."""
    if call.softcap is None:
        return float(call.scaling * LOG2_E), LOG2_E
    return float(call.scaling / call.softcap), float(call.softcap * LOG2_E)


@triton.jit  # type: ignore[untyped-decorator]
def _flash(  # type: ignore[no-untyped-def]
    Q, K, V, Out, Lse, First, Last, Start, Length, Sinks,
    q_b, q_h, q_n, q_d, k_b, k_h, k_n, k_d, v_b, v_h, v_n, v_d, o_b, o_n, o_h, tokens, group, scale, softcap,
    D: tl.constexpr, DV: tl.constexpr, WIDE: tl.constexpr, WIDE_V: tl.constexpr, M: tl.constexpr, N: tl.constexpr,
    HAS_SOFTCAP: tl.constexpr, HAS_SINKS: tl.constexpr, INTERPRETED: tl.constexpr,
):  # fmt: skip
    """M queries of one head, the latest first, against the run of keys that they see; lse in bits."""
    block, head, item = tl.num_programs(0) - 1 - tl.program_id(0), tl.program_id(1), tl.program_id(2)
    length, start = tl.load(Length + item), tl.load(Start + item)
    i = block * M + tl.arange(0, M)
    real = i < length
    first = tl.load(First + item * tokens + i, mask=real, other=0)
    last = tl.load(Last + item * tokens + i, mask=real, other=0)
    low = tl.min(tl.where(last > first, first, 2147483647))
    high = tl.max(last)
    d, dv, x = tl.arange(0, WIDE), tl.arange(0, WIDE_V), tl.arange(0, N)
    item_64 = item.to(tl.int64)
    final = tl.maximum(length - 1, 0)  # what lies beyond is read from there, and hidden
    q = rows_of_heads(Q + item_64 * q_b + head * q_h, start + tl.minimum(i, final), q_n, d, q_d, D, WIDE, INTERPRETED)
    keys = K + item_64 * k_b + (head // group) * k_h + start * k_n
    values = V + item_64 * v_b + (head // group) * v_h + start * v_n
    m = tl.full([M], HIDDEN, tl.float32)
    L = tl.zeros([M], tl.float32)
    out = tl.zeros([M, WIDE_V], tl.float32)
    # Tiles that every query sees whole stand in the middle, between those that need a mask.
    begin = tl.minimum(low, high) // N * N
    clear = tl.maximum((tl.max(first) + N - 1) // N * N, begin)
    clear = tl.minimum(clear, (high + N - 1) // N * N)
    past = tl.maximum(clear, tl.minimum(tl.min(tl.where(real, last, 2147483647)), high) // N * N)
    for base in range(clear, past, N):
        k = rows_of_heads(keys, base + x, k_n, d, k_d, D, WIDE, INTERPRETED)
        s = tl.dot(q, tl.trans(k), input_precision="tf32x3")
        if HAS_SOFTCAP:
            s = log2_of_scores(s, scale, softcap, True)
            highest = tl.maximum(m, tl.max(s, 1))
            e = power_of_two(s - highest[:, None], INTERPRETED)
        else:  # the scale joins the subtraction in one instruction
            highest = tl.maximum(m, tl.max(s, 1) * scale)
            e = power_of_two(s * scale - highest[:, None], INTERPRETED)
        shrink = tl.exp2(m - highest)
        L = L * shrink + tl.sum(e, 1)
        v = rows_of_heads(values, base + x, v_n, dv, v_d, DV, WIDE_V, INTERPRETED)
        out = tl.dot(e.to(v.dtype), v, out * shrink[:, None], input_precision="tf32x3")
        m = highest
    before = (clear - begin) // N
    after = (tl.maximum(high - past, 0) + N - 1) // N
    for step in range(0, before + after):
        base = tl.where(step < before, begin + step * N, past + (step - before) * N)
        j = base + x
        k = rows_of_heads(keys, tl.minimum(j, final), k_n, d, k_d, D, WIDE, INTERPRETED)
        s = tl.dot(q, tl.trans(k), input_precision="tf32x3")
        seen = (j[None, :] >= first[:, None]) & (j[None, :] < last[:, None])
        t = tl.where(seen, log2_of_scores(s, scale, softcap, HAS_SOFTCAP), HIDDEN)
        highest = tl.maximum(m, tl.max(t, 1))
        shrink = tl.exp2(m - highest)
        e = tl.where(seen, power_of_two(t - highest[:, None], INTERPRETED), 0.0)
        L = L * shrink + tl.sum(e, 1)
        v = rows_of_heads(values, tl.minimum(j, final), v_n, dv, v_d, DV, WIDE_V, INTERPRETED)
        out = tl.dot(e.to(v.dtype), v, out * shrink[:, None], input_precision="tf32x3")
        m = highest
    sees = L > 0
    total = tl.where(sees, L, 1.0)
    lse = tl.where(sees, m + tl.log2(total), 0.0)
    scale_out = 1.0 / total
    if HAS_SINKS:
        scale_out = scale_out / (1.0 + tl.exp2(tl.load(Sinks + head) * LOG2_OF_E - lse))
    line = (item_64 * tl.num_programs(1) + head) * tokens
    tl.store(Lse + line + i, lse, mask=i < tokens)
    out = tl.where((sees & real)[:, None], out * scale_out[:, None], 0.0)
    tl.store(Out + item_64 * o_b + (start + i)[:, None] * o_n + head * o_h + dv[None, :],
             out.to(Out.dtype.element_ty), mask=(start + i < tokens)[:, None] & (dv < DV)[None, :])  # fmt: skip
