"""Row statistics on CUDA in one sweep: a flash-style Triton kernel that keeps more sums than the output's.

Scores, weights and every accumulator are fp32 registers; the weights meet the values in the values' dtype, as in any
attention kernel. A row's maximum may move as the keys go by, so all its sums are linear in the weights and rescale
with them. Sums along columns and diagonals need a row's maximum and total first: `fused_sums` reads the scores again.
"""

from functools import cache
from typing import Any

import numpy as np
import torch
import triton
import triton.language as tl
from torch import Tensor

from attention.definitions import SINK_LIMIT
from attention.kernels.call import AttentionCall
from attention.kernels.fused_sums import ScoredRows, column_sums, diagonal_sums, flow_of, tile_of
from attention.kernels.rows import EVERY_ROW, TURN_ROWS, RowStatistics

HIDDEN = tl.constexpr(-1e30)
"""Used for minus infinity, because minus infinity times zero would be NaN."""


@triton.jit  # type: ignore[untyped-decorator]
def _sweep(  # type: ignore[no-untyped-def]
    Q, K, V, Out, Rows,
    First, Last, Start, Length, Column, Number, Speaker, Sinks,
    q_b, q_h, q_n, q_d, k_b, k_h, k_n, k_d, v_b, v_h, v_n, v_d, o_b, o_n, o_h, rows_kind, rows_b, rows_h,
    tokens, group, scaling, softcap,
    D: tl.constexpr, DV: tl.constexpr, WIDE: tl.constexpr, WIDE_V: tl.constexpr,
    M: tl.constexpr, N: tl.constexpr, HAS_SOFTCAP: tl.constexpr, HAS_SINKS: tl.constexpr, SINK_MASS: tl.constexpr,
    HAS_TURNS: tl.constexpr, KEEPS_TOTALS: tl.constexpr, INTERPRETED: tl.constexpr,
    AT_DISTANCE: tl.constexpr, AT_VARIANCE: tl.constexpr, AT_ENTROPY: tl.constexpr, AT_SINK: tl.constexpr,
    AT_REST: tl.constexpr, AT_DISTANCE_REST: tl.constexpr, AT_ENTROPY_REST: tl.constexpr, AT_NULL_MASS: tl.constexpr,
    AT_SCAFFOLD: tl.constexpr, AT_CONTENT: tl.constexpr, AT_CROSS_TURN: tl.constexpr, AT_CROSS_SPEAKER: tl.constexpr,
    AT_OWN_HISTORY: tl.constexpr, AT_TURN_STEPS: tl.constexpr, AT_MAXIMUM: tl.constexpr, AT_TOTAL: tl.constexpr,
):  # fmt: skip
    """M queries of one head against all keys they see, N at a time."""
    block, head, item = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    length, start = tl.load(Length + item), tl.load(Start + item)
    i = block * M + tl.arange(0, M)
    real = i < length
    first = tl.load(First + item * tokens + i, mask=real, other=0)
    last = tl.load(Last + item * tokens + i, mask=real, other=0)
    sees = last > first
    low = tl.min(tl.where(sees, first, 2147483647))
    high = tl.max(tl.where(sees, last, 0))
    d, dv = tl.arange(0, WIDE), tl.arange(0, WIDE_V)
    q = tl.load(
        Q + item * q_b + head * q_h + (start + i)[:, None] * q_n + d[None, :] * q_d,
        mask=real[:, None] & (d < D)[None, :],
        other=0.0,
    )  # (M, D)
    if INTERPRETED:  # the interpreter multiplies no bfloat16
        q = q.to(tl.float32)
    key_base = K + item * k_b + (head // group) * k_h
    value_base = V + item * v_b + (head // group) * v_h

    m = tl.full([M], HIDDEN, tl.float32)
    L_rest = tl.zeros([M], tl.float32)  # sums over the keys but 0
    S_rest = tl.zeros([M], tl.float32)  # of e (s - m)
    A_rest = tl.zeros([M], tl.float32)  # of e |i-j|
    W = tl.zeros([M], tl.float32)  # over all keys: weight, mean place, squares about it, mass on scaffold
    mean = tl.zeros([M], tl.float32)
    squares = tl.zeros([M], tl.float32)
    scaffold = tl.zeros([M], tl.float32)
    s_0 = tl.full([M], HIDDEN, tl.float32)
    content = tl.zeros([M], tl.float32)
    cross_turn = tl.zeros([M], tl.float32)
    cross_speaker = tl.zeros([M], tl.float32)
    own_history = tl.zeros([M], tl.float32)
    turn_steps = tl.zeros([M], tl.float32)
    own = tl.load(Column + item * tokens + i, mask=real, other=0)
    own_number = tl.load(Number + item * tokens + i, mask=real, other=0)
    own_speaker = tl.load(Speaker + item * tokens + i, mask=real, other=0)
    output = tl.zeros([M, WIDE_V], tl.float32)
    for base in range(low // N * N, high, N):
        j = base + tl.arange(0, N)
        inside = j < length
        k = tl.load(
            key_base + (start + j)[None, :] * k_n + d[:, None] * k_d,
            mask=inside[None, :] & (d < D)[:, None],
            other=0.0,
        )  # (D, N)
        if INTERPRETED:
            k = k.to(tl.float32)
        s = tl.dot(q, k, input_precision="ieee") * scaling  # (M, N)
        if HAS_SOFTCAP:
            bounded = 2 / (1 + tl.exp(-2 * s / softcap)) - 1  # tanh
            s = softcap * bounded
        seen = (j[None, :] >= first[:, None]) & (j[None, :] < last[:, None])
        s = tl.where(seen, s, HIDDEN)
        m_new = tl.maximum(m, tl.max(s, 1))
        alpha = tl.exp(m - m_new)
        t = s - m_new[:, None]
        e = tl.where(seen, tl.exp(t), 0.0)
        # Mean position of this block's attended keys and the squares about it, merged with the earlier blocks'.
        w = tl.sum(e, 1)
        some = w > 0
        x = tl.arange(0, N).to(tl.float32)
        centre = tl.where(some, tl.sum(e * x[None, :], 1) / tl.where(some, w, 1.0), 0.0)
        about = x[None, :] - centre[:, None]
        W = W * alpha
        total = W + w
        step = centre + base - mean
        share = tl.where(total > 0, w / tl.where(total > 0, total, 1.0), 0.0)
        squares = squares * alpha + tl.sum(e * about * about, 1) + step * step * W * share
        mean += step * share
        W = total
        # The sums without key 0, whose score is kept separately.
        S_rest = alpha * (S_rest + tl.where(L_rest > 0, L_rest * (m - m_new), 0.0))
        zero = (j == 0)[None, :]
        s_0 = tl.where(first == 0, tl.maximum(s_0, tl.max(tl.where(zero, s, HIDDEN), 1)), s_0)
        e_rest = tl.where(zero, 0.0, e)
        span = tl.abs(i[:, None] - j[None, :]).to(tl.float32)
        L_rest = L_rest * alpha + tl.sum(e_rest, 1)
        A_rest = A_rest * alpha + tl.sum(e_rest * span, 1)
        S_rest += tl.sum(e_rest * tl.where(seen, t, 0.0), 1)
        column = tl.load(Column + item * tokens + j, mask=inside, other=-1)
        scaffold = scaffold * alpha + tl.sum(tl.where((column == 0)[None, :], e, 0.0), 1)
        if HAS_TURNS:
            number = tl.load(Number + item * tokens + j, mask=inside, other=0)
            speaker = tl.load(Speaker + item * tokens + j, mask=inside, other=0)
            said = tl.where((column > 0)[None, :], e, 0.0)
            other = tl.where(column[None, :] != own[:, None], said, 0.0)
            same = speaker[None, :] == own_speaker[:, None]
            steps = tl.abs(number[None, :] - own_number[:, None]).to(tl.float32)
            content = content * alpha + tl.sum(said, 1)
            cross_turn = cross_turn * alpha + tl.sum(other, 1)
            cross_speaker = cross_speaker * alpha + tl.sum(tl.where(same, 0.0, said), 1)
            own_history = own_history * alpha + tl.sum(tl.where(same, other, 0.0), 1)
            turn_steps = turn_steps * alpha + tl.sum(other * steps, 1)
        v = tl.load(
            value_base + (start + j)[:, None] * v_n + dv[None, :] * v_d,
            mask=inside[:, None] & (dv < DV)[None, :],
            other=0.0,
        )  # (N, DV)
        if INTERPRETED:
            v = v.to(tl.float32)
        output = output * alpha[:, None] + tl.dot(e.to(v.dtype), v, input_precision="ieee")
        m = m_new

    e_0 = tl.where(s_0 > HIDDEN, tl.exp(s_0 - m), 0.0)
    t_0 = tl.where(s_0 > HIDDEN, s_0 - m, 0.0)
    L = tl.where(sees, L_rest + e_0, 1.0)
    rest = L_rest / L
    measurable = rest >= SINK_MASS
    L_safe = tl.where(measurable, L_rest, 1.0)
    taken = tl.zeros([M], tl.float32)
    if HAS_SINKS:
        taken = 1 / (1 + tl.exp(m + tl.log(L) - tl.load(Sinks + head)))
    row = Rows + item * rows_b + head * rows_h + i
    here = real & sees
    tl.store(row + AT_DISTANCE * rows_kind, (A_rest + e_0 * i.to(tl.float32)) / L, mask=here)
    tl.store(row + AT_VARIANCE * rows_kind, squares / L, mask=here)
    tl.store(row + AT_ENTROPY * rows_kind, tl.log(L) - (S_rest + e_0 * t_0) / L, mask=here)
    tl.store(row + AT_SINK * rows_kind, e_0 / L, mask=here)
    tl.store(row + AT_REST * rows_kind, rest, mask=here)
    tl.store(row + AT_DISTANCE_REST * rows_kind, tl.where(measurable, A_rest / L_safe, 0.0), mask=here)
    tl.store(row + AT_ENTROPY_REST * rows_kind, tl.where(measurable, tl.log(L_safe) - S_rest / L_safe, 0.0), mask=here)
    tl.store(row + AT_NULL_MASS * rows_kind, taken, mask=here)
    tl.store(row + AT_SCAFFOLD * rows_kind, scaffold / L, mask=here)
    if HAS_TURNS:
        in_turn = here & (own > 0)
        tl.store(row + AT_CONTENT * rows_kind, content / L, mask=in_turn)
        tl.store(row + AT_CROSS_TURN * rows_kind, cross_turn / L, mask=in_turn)
        tl.store(row + AT_CROSS_SPEAKER * rows_kind, cross_speaker / L, mask=in_turn)
        tl.store(row + AT_OWN_HISTORY * rows_kind, own_history / L, mask=in_turn)
        tl.store(row + AT_TURN_STEPS * rows_kind, turn_steps / L, mask=in_turn)
    if KEEPS_TOTALS:
        tl.store(row + AT_MAXIMUM * rows_kind, m, mask=here)
        tl.store(row + AT_TOTAL * rows_kind, L, mask=here)
    output = output * ((1 - taken) / L)[:, None]
    tl.store(
        Out + item * o_b + (start + i)[:, None] * o_n + head * o_h + dv[None, :],
        output.to(Out.dtype.element_ty),
        mask=here[:, None] & (dv < DV)[None, :],
    )


def block_of(width: int, dtype: torch.dtype) -> tuple[int, int]:
    """Queries and keys at a time, so that their tiles fit into 96 KiB of shared memory on any GPU since 2020."""
    size = width * dtype.itemsize
    if size <= 256:
        return 64, 64
    return (64, 32) if size <= 512 else (32, 32)


def _launch(query: Tensor) -> dict[str, Any]:
    """Options of the compilation; wide fp32 tiles leave no memory to fetch one block during work on another."""
    if query.device.type == "cpu":
        return {}
    return {"enable_fp_fusion": True, "num_warps": 4, "num_stages": 1 if query.dtype == torch.float32 else 3}


@cache
def row_places(turns: bool) -> dict[str, int]:
    """Constants of the kernel: where each statistic stands in its rows, and after them a row's maximum and total.

    Without `turns` the rows end with `EVERY_ROW`, and the places of `TURN_ROWS` are not used.
    """
    places = {f"AT_{name.upper()}": place for place, name in enumerate(EVERY_ROW + TURN_ROWS)}
    used = len(places) if turns else len(EVERY_ROW)
    return places | {"AT_MAXIMUM": used, "AT_TOTAL": used + 1}


def attend(call: AttentionCall, *, block: tuple[int, int] | None = None) -> tuple[Tensor, RowStatistics]:
    """Attention's output (B, N, Hq, Dv) in the values' dtype and the statistics of every row, on CUDA.

    `block` is queries and keys at a time. Raises ValueError for a call that is not ordinary.
    """
    if not call.is_ordinary:
        raise ValueError("the fused attention takes only queries that see one run of keys, and no bias")
    query, key, value = call.query, call.key, call.value
    tile = tile_of(query) if block is None else min(block)
    block = block or block_of(max(query.shape[-1], value.shape[-1]), query.dtype)
    batch, heads, tokens, width = query.shape
    device = query.device
    turns = call.request.turns and any(group.turns for group in call.groups)
    again = turns or call.request.received
    per_token = _Tokens(call)
    output = call.empty_output()
    names = EVERY_ROW + (TURN_ROWS if turns else ())
    kept = torch.zeros(len(names) + 2 * again, batch, heads, tokens, device=device)
    logits = torch.zeros(heads, device=device) if call.sinks is None else call.sinks.float().contiguous()
    _sweep[(triton.cdiv(tokens, block[0]), heads, batch)](
        query, key, value, output, kept,
        per_token.first, per_token.last, per_token.start, per_token.length,
        per_token.column, per_token.number, per_token.speaker, logits,
        *query.stride(), *key.stride(), *value.stride(), *output.stride()[:3], *kept.stride()[:3],
        tokens, heads // key.shape[1], float(call.scaling), float(call.softcap or 1.0),
        D=width, DV=value.shape[-1],
        WIDE=max(16, triton.next_power_of_2(width)), WIDE_V=max(16, triton.next_power_of_2(value.shape[-1])),
        M=block[0], N=block[1], SINK_MASS=SINK_LIMIT,
        HAS_SOFTCAP=call.softcap is not None, HAS_SINKS=call.sinks is not None,
        HAS_TURNS=turns, KEEPS_TOTALS=again, INTERPRETED=device.type == "cpu",
        **row_places(turns), **_launch(query),
    )  # fmt: skip
    rows = call.empty_rows()
    for name, values in zip(names, kept, strict=False):
        setattr(rows, name, values)
    if again:
        scored = ScoredRows(
            call, per_token.first, per_token.last, per_token.start, per_token.length, kept[-2], kept[-1]
        )
        tile = min(block) if block == (16, 16) else tile_of(query)
        if rows.received is not None:
            whole = [(item, 0, visible.tokens) for item, visible in enumerate(call.visible_keys)]
            rows.received = column_sums(scored, whole, tile)  # (B, H, N)
        if turns:
            both_ways = any(bool((each.last > np.arange(1, each.tokens + 1)).any()) for each in call.visible_keys)
            rows.by_distance = diagonal_sums(scored, tile, both_ways=both_ways)
            for item, group in enumerate(call.groups):
                if rows.flow is not None and group.turns:
                    rows.flow[item] = flow_of(scored, item, group, tile, by_head=call.request.flow_heads)
    return output, rows


class _Tokens:
    """What the kernel reads of each token, (B, N) each, and where the sequences stand in their padded rows (B,)."""

    def __init__(self, call: AttentionCall) -> None:
        tokens, device = call.query.shape[2], call.query.device
        kinds = np.zeros((5, len(call.groups), tokens), np.int32)
        first, last, column, number, speaker = kinds
        for item, (visible, group) in enumerate(zip(call.visible_keys, call.groups, strict=True)):
            n = visible.tokens
            first[item, :n], last[item, :n], column[item, :n] = visible.first, visible.last, group.column
            said = np.flatnonzero(group.column > 0)
            number[item, said] = group.turn_number[group.column[said] - 1]
            speaker[item, said] = group.turn_speaker[group.column[said] - 1]
        self.first, self.last, self.column, self.number, self.speaker = torch.from_numpy(kinds).to(device)
        places = [[each.start for each in call.visible_keys], [each.tokens for each in call.visible_keys]]
        self.start, self.length = torch.from_numpy(np.array(places, np.int32)).to(device)
