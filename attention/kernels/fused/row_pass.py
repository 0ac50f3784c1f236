"""Every statistic of attention rows in one reading of the keys they see, with masses by turn and the flow."""

import triton
import triton.language as tl
from torch import Tensor

from attention.definitions import SINK_LIMIT
from attention.kernels.call import AttentionCall
from attention.kernels.fused.launch import launch
from attention.kernels.fused.output import scales, wide
from attention.kernels.fused.tables import SLOTS, key_tables
from attention.kernels.fused.tiles import tile_of
from attention.kernels.fused.weights import (
    HIDDEN,
    LN_2,
    LOG2_OF_E,
    inverse_of,
    log2_of_scores,
    log2_weights,
    power_of_two,
    rows_of_heads,
)
from attention.kernels.rows import FIXED_POINT, PLACES, RowStatistics

AT_DISTANCE, AT_VARIANCE, AT_ENTROPY, AT_SINK, AT_REST, AT_DISTANCE_REST, AT_ENTROPY_REST, AT_NULL_MASS, AT_SCAFFOLD = (
    tl.constexpr(PLACES[name])
    for name in (
        "distance", "variance", "entropy", "sink", "rest", "distance_rest", "entropy_rest", "null_mass", "scaffold",
    )
)  # fmt: skip
AT_CONTENT, AT_CROSS_TURN, AT_CROSS_SPEAKER, AT_OWN_HISTORY, AT_TURN_STEPS = (
    tl.constexpr(PLACES[name]) for name in ("content", "cross_turn", "cross_speaker", "own_history", "turn_steps")
)
LEAST_REST = tl.constexpr(SINK_LIMIT)
UNITS = tl.constexpr(1 / FIXED_POINT)
"""Fixed-point units in 1."""
COLUMNS = tl.constexpr(SLOTS)
UPSCALE = tl.constexpr(32768.0)
"""Weights are taken times this before they are halved into two fp16 numbers, so that small ones keep their digits."""
LEAST = tl.constexpr(1e-30)


def fill_rows(call: AttentionCall, lse: Tensor, unit: float, rows: RowStatistics) -> None:
    """Write every row's statistics, and add to the flow, where turns are asked for."""
    query, key, layout = call.query, call.key, call.layout
    batch, heads, tokens = call.shape
    width, device = query.shape[-1], query.device
    turns = rows.has_turns and layout.groups.turns > 0
    tables, keys = layout.tables(device), key_tables(layout, device, turns=turns)
    tile = tile_of("rows", query, width, both_ways=layout.both_ways)
    scale, cap = scales(call)
    has_flow = turns and rows.flow is not None
    launch(
        _rows, (triton.cdiv(tokens, tile.rows), heads, batch),
        query, key, lse, rows.values, tables["first"], tables["last"], tables["start"], tables["length"],
        lse if call.sinks is None else call.sinks.float().contiguous(), tables["column"],
        tables["column"] if keys.one_hot is None else keys.one_hot, keys.offset, keys.groups,
        tables["query_turn"], tables["turn_offset"], tables["turn_number"] if turns else tables["turn_offset"],
        tables["turn_speaker"] if turns else tables["turn_offset"],
        rows.flow if has_flow else tables["turn_offset"], tables["flow_offset"],
        heads if call.request.flow_heads else 1, int(call.request.flow_heads),
        *query.stride(), *key.stride(), *rows.values.stride()[:3], tokens, heads // key.shape[1], scale, cap, unit,
        D=width, WIDE=wide(width), M=tile.rows, N=tile.columns, BOTH_WAYS=layout.both_ways,
        HAS_SOFTCAP=call.softcap is not None, HAS_SINKS=call.sinks is not None, HAS_TURNS=turns, HAS_FLOW=has_flow,
        INTERPRETED=device.type == "cpu", **tile.options(),
    )  # fmt: skip


@triton.jit  # type: ignore[untyped-decorator]
def _lanes(v, M: tl.constexpr, N: tl.constexpr):  # type: ignore[no-untyped-def]
    """(M, N) as (M, 4, N / 4): the columns that the four threads of a quad hold, so that none changes its thread."""
    return tl.reshape(tl.permute(tl.reshape(v, (M, N // 8, 4, 2)), (0, 2, 1, 3)), (M, 4, N // 4))


@triton.jit  # type: ignore[untyped-decorator]
def _moments(  # type: ignore[no-untyped-def]
    p, t, base, i, x, logs, far, NEAR: tl.constexpr, BOTH_WAYS: tl.constexpr, M: tl.constexpr, N: tl.constexpr,
    INTERPRETED: tl.constexpr,
):  # fmt: skip
    """A tile's weight, mean signed distance i - j and squares about it, with its p log2 p and p |i - j| added.

    (M, 4) each: the four lanes stay apart until the row is complete. With NEAR distances are taken key by key, else
    from places in the tile. Only where queries see both ways is |i - j| another sum than that of i - j.
    """
    p_lanes, t_lanes = _lanes(p, M, N), _lanes(t, M, N)
    x_lanes = tl.reshape(tl.permute(tl.reshape(x, (N // 8, 4, 2)), (1, 0, 2)), (1, 4, N // 4)).to(tl.float32)
    weight = tl.sum(p_lanes, 2)
    logs += tl.sum(p_lanes * t_lanes, 2)
    inverse = inverse_of(tl.maximum(weight, LEAST), INTERPRETED)
    to_base = (i - base).to(tl.float32)
    if NEAR:
        distance = to_base[:, None, None] - x_lanes
        mean = tl.sum(p_lanes * distance, 2) * inverse
        apart = distance - mean[:, :, None]
        if BOTH_WAYS:
            far += tl.sum(p_lanes * tl.abs(distance), 2)
    else:
        place = tl.sum(p_lanes * x_lanes, 2) * inverse
        apart = x_lanes - place[:, :, None]
        mean = to_base[:, None] - place
        if BOTH_WAYS:
            far += weight * tl.abs(mean)
    return weight, mean, tl.sum(p_lanes * apart * apart, 2), logs, far


@triton.jit  # type: ignore[untyped-decorator]
def _merge(weight, mean, squares, W, centre, spread, S, INTERPRETED: tl.constexpr):  # type: ignore[no-untyped-def]
    """A tile's moments merged into those of the tiles before (Chan, Golub & LeVeque); S sums weight times mean."""
    total = W + weight
    inverse = inverse_of(tl.maximum(total, LEAST), INTERPRETED)
    step = mean - centre
    spread += squares + step * step * (W * weight * inverse)
    S += weight * mean
    return total, S * inverse, spread, S


@triton.jit
def _mass_by_slot(p, one_hot, j, mass):  # type: ignore[no-untyped-def]
    """Add a tile's masses on each slot, times UPSCALE: weights as two fp16 halves, exact to 2^-24."""
    hot = tl.load(one_hot + j[:, None] * COLUMNS + tl.arange(0, COLUMNS)[None, :])
    scaled = p * UPSCALE
    high = scaled.to(tl.float16)
    low = (scaled - high.to(tl.float32)).to(tl.float16)
    part = tl.dot(high, hot, out_dtype=tl.float32)
    return mass + tl.dot(low, hot, part, out_dtype=tl.float32)


@triton.jit
def _add_flow(flow, mass, own, slot, turn, turns, T_low, T_high):  # type: ignore[no-untyped-def]
    """Add the masses (M, 16) of each turn's rows, summed, to the flow between turns."""
    column = tl.where(slot == 0, 0, turn + 1)
    for row_turn in range(T_low, T_high):
        part = tl.sum(tl.where((own == row_turn)[:, None], mass, 0.0), 0)
        fixed = (part * UNITS).to(tl.int64)
        tl.atomic_add(flow + row_turn * (turns + 1) + column, fixed,
                      mask=((slot == 0) | (turn >= 0)) & (fixed != 0), sem="relaxed")  # fmt: skip


@triton.jit  # type: ignore[untyped-decorator]
def _rows(  # type: ignore[no-untyped-def]
    Q, K, Lse, Values, First, Last, Start, Length, Sinks, Column, OneHot, GroupOffset, Groups,
    QueryTurn, TurnOffset, TurnNumber, TurnSpeaker, Flow, FlowOffset, flow_depth, flow_head,
    q_b, q_h, q_n, q_d, k_b, k_h, k_n, k_d, v_kind, v_b, v_h, tokens, group, scale, softcap, lse_unit,
    D: tl.constexpr, WIDE: tl.constexpr, M: tl.constexpr, N: tl.constexpr, BOTH_WAYS: tl.constexpr,
    HAS_SOFTCAP: tl.constexpr, HAS_SINKS: tl.constexpr, HAS_TURNS: tl.constexpr, HAS_FLOW: tl.constexpr,
    INTERPRETED: tl.constexpr,
):  # fmt: skip
    """M queries of one head, the latest first, against the keys that they see, one group of keys after the other.

    Key 0 is taken out of its tile and joined at the end, so that nothing is ever subtracted from a sum.
    """
    block, head, item = tl.num_programs(0) - 1 - tl.program_id(0), tl.program_id(1), tl.program_id(2)
    length, start = tl.load(Length + item), tl.load(Start + item)
    if block * M < length:
        i = block * M + tl.arange(0, M)
        real = i < length
        first = tl.load(First + item * tokens + i, mask=real, other=0)
        last = tl.load(Last + item * tokens + i, mask=real, other=0)
        sees = last > first
        low, high = tl.min(tl.where(sees, first, 2147483647)), tl.max(last)
        all_from, all_to = tl.max(first), tl.min(tl.where(real, last, 2147483647))
        d, x, slot = tl.arange(0, WIDE), tl.arange(0, N), tl.arange(0, COLUMNS)
        item_64 = item.to(tl.int64)
        final = length - 1  # what lies beyond is read from there, and hidden
        q = rows_of_heads(
            Q + item_64 * q_b + head * q_h, start + tl.minimum(i, final), q_n, d, q_d, D, WIDE, INTERPRETED
        )
        keys = K + item_64 * k_b + (head // group) * k_h + start * k_n
        line = (item_64 * tl.num_programs(1) + head) * tokens
        lse = tl.load(Lse + line + i, mask=real, other=0.0) * lse_unit
        shift = tl.where(real, lse, -HIDDEN)  # rows beyond the end have no weights
        sees_0 = sees & (first == 0)
        few = tl.arange(0, 16)  # the fewest keys of a product, of which the first counts: it rounds as the others do
        k_few = rows_of_heads(keys, tl.minimum(few, final), k_n, d, k_d, D, WIDE, INTERPRETED)
        s_few = tl.dot(q, tl.trans(k_few), input_precision="tf32x3")
        s_0 = tl.sum(tl.where((few == 0)[None, :], s_few, 0.0), 1)
        t_0 = tl.where(sees_0, log2_of_scores(s_0, scale, softcap, HAS_SOFTCAP) - shift, HIDDEN)
        W = tl.zeros([M, 4], tl.float32)  # weight, mean distance, squares about it, p log2 p, p |i - j|, p (i - j)
        centre = tl.zeros([M, 4], tl.float32)
        spread = tl.zeros([M, 4], tl.float32)
        logs = tl.zeros([M, 4], tl.float32)
        far = tl.zeros([M, 4], tl.float32)
        S = tl.zeros([M, 4], tl.float32)
        scaffold = tl.zeros([M, 4], tl.float32)
        on_scaffold = tl.zeros([M], tl.float32)
        same_turn = tl.zeros([M], tl.float32)
        cross_speaker = tl.zeros([M], tl.float32)
        own_history = tl.zeros([M], tl.float32)
        turn_steps = tl.zeros([M], tl.float32)
        turn_offset = 0
        turns = 0
        t_low = 0
        t_high = 0
        flow = Flow
        one_hot = OneHot
        if HAS_TURNS:
            turn_offset = tl.load(TurnOffset + item)
            turns = tl.load(TurnOffset + item + 1) - turn_offset
            asking = tl.load(QueryTurn + item * tokens + i, mask=real, other=-1)
            t_low, t_high = tl.min(tl.where(asking >= 0, asking, 2147483647)), tl.max(asking) + 1
            one_hot += item_64 * tokens * COLUMNS
            flow = Flow + tl.load(FlowOffset + item).to(tl.int64) * flow_depth
            flow += head.to(tl.int64) * flow_head * turns * (turns + 1)
        for g in range(tl.load(GroupOffset + item), tl.load(GroupOffset + item + 1)):
            begin, stop = tl.maximum(low, tl.load(Groups + 4 * g)), tl.minimum(high, tl.load(Groups + 4 * g + 2))
            if stop > begin:
                mass = tl.zeros([M, COLUMNS], tl.float32)
                # Tiles begin at key 1, as key 0 stands apart; those that every query sees whole are in the middle.
                low_key = tl.maximum(begin, 1)
                from_tile = (low_key - 1) // N * N + 1
                clear = (tl.maximum(all_from, low_key) + N - 2) // N * N + 1
                clear = tl.minimum(clear, (stop + N - 2) // N * N + 1)
                past = tl.minimum(tl.minimum(all_to, stop), tl.load(Groups + 4 * g + 1))
                past = tl.maximum(clear, tl.maximum(past - 1, 0) // N * N + 1)
                for base in range(clear, past, N):
                    j = base + x
                    t = log2_weights(q, keys, j, d, k_n, k_d, shift[:, None], scale, softcap, D, WIDE, HAS_SOFTCAP,
                                     INTERPRETED)  # fmt: skip
                    p = power_of_two(t, INTERPRETED)
                    weight, mean, squares, logs, far = _moments(p, t, base, i, x, logs, far, BOTH_WAYS, BOTH_WAYS,
                                                                M, N, INTERPRETED)  # fmt: skip
                    W, centre, spread, S = _merge(weight, mean, squares, W, centre, spread, S, INTERPRETED)
                    if HAS_TURNS:
                        mass = _mass_by_slot(p, one_hot, j, mass)
                before = (clear - from_tile) // N
                after = (tl.maximum(stop - past, 0) + N - 1) // N
                seen_from, seen_to = tl.maximum(first, low_key), tl.minimum(last, stop)
                for step in range(0, before + after):
                    base = tl.where(step < before, from_tile + step * N, past + (step - before) * N)
                    j = base + x
                    t = log2_weights(q, keys, tl.minimum(j, final), d, k_n, k_d, shift[:, None], scale, softcap,
                                     D, WIDE, HAS_SOFTCAP, INTERPRETED)  # fmt: skip
                    t = tl.where((j[None, :] >= seen_from[:, None]) & (j[None, :] < seen_to[:, None]), t, HIDDEN)
                    p = power_of_two(t, INTERPRETED)
                    weight, mean, squares, logs, far = _moments(p, t, base, i, x, logs, far, True, BOTH_WAYS,
                                                                M, N, INTERPRETED)  # fmt: skip
                    W, centre, spread, S = _merge(weight, mean, squares, W, centre, spread, S, INTERPRETED)
                    if HAS_TURNS:
                        mass = _mass_by_slot(p, one_hot, j, mass)
                    else:
                        column = tl.load(Column + item * tokens + tl.minimum(j, final))
                        scaffold += tl.sum(_lanes(tl.where((column == 0)[None, :], p, 0.0), M, N), 2)
                if HAS_TURNS:
                    mass = mass * (1.0 / UPSCALE)
                    if begin == 0:
                        mass += tl.exp2(t_0)[:, None] * tl.load(one_hot + slot).to(tl.float32)[None, :]
                    own = tl.load(QueryTurn + item * tokens + i, mask=real, other=-1)
                    turn = tl.load(Groups + 4 * g + 3) + slot - 1
                    turn = tl.where((slot > 0) & (turn < turns), turn, -1)
                    number = tl.load(TurnNumber + turn_offset + turn, mask=turn >= 0, other=0)
                    speaker = tl.load(TurnSpeaker + turn_offset + turn, mask=turn >= 0, other=0)
                    own_number = tl.load(TurnNumber + turn_offset + own, mask=own >= 0, other=0)
                    own_speaker = tl.load(TurnSpeaker + turn_offset + own, mask=own >= 0, other=0)
                    other = (turn >= 0)[None, :] & (turn[None, :] != own[:, None])
                    same = speaker[None, :] == own_speaker[:, None]
                    steps = tl.abs(number[None, :] - own_number[:, None]).to(tl.float32)
                    on_scaffold += tl.sum(tl.where((slot == 0)[None, :], mass, 0.0), 1)
                    same_turn += tl.sum(tl.where((turn >= 0)[None, :] & (turn[None, :] == own[:, None]), mass, 0.0), 1)
                    cross_speaker += tl.sum(tl.where(other & (same == 0), mass, 0.0), 1)
                    own_history += tl.sum(tl.where(other & same, mass, 0.0), 1)
                    turn_steps += tl.sum(tl.where(other, mass * steps, 0.0), 1)
                    if HAS_FLOW:
                        _add_flow(flow, mass, own, slot, turn, turns, t_low, t_high)
        # The lanes joined, then key 0.
        p_0 = tl.exp2(t_0)
        t_0 = tl.where(sees_0, t_0, 0.0)
        rest = tl.sum(W, 1)
        mean = tl.sum(S, 1) / tl.maximum(rest, LEAST)
        off = centre - mean[:, None]
        squares = tl.sum(spread + W * off * off, 1)
        far_rest = tl.sum(far, 1) if BOTH_WAYS else tl.sum(S, 1)
        logs_rest = tl.sum(logs, 1)
        place = i.to(tl.float32)
        L = rest + p_0
        L = tl.where(L > 0, L, 1.0)
        inverse = 1.0 / L
        off_0 = place - mean
        share = rest * inverse
        measurable = share >= LEAST_REST
        safe = tl.where(measurable, rest, 1.0)
        here = real & sees
        row = Values + item_64 * v_b + head * v_h + i
        tl.store(row + AT_DISTANCE * v_kind, (far_rest + p_0 * place) * inverse, mask=here)
        tl.store(row + AT_VARIANCE * v_kind, (squares + off_0 * off_0 * (rest * (p_0 * inverse))) * inverse, mask=here)
        entropy = tl.log(L) - (logs_rest + p_0 * t_0) * inverse * LN_2
        tl.store(row + AT_ENTROPY * v_kind, entropy, mask=here)
        tl.store(row + AT_SINK * v_kind, p_0 * inverse, mask=here)
        tl.store(row + AT_REST * v_kind, share, mask=here)
        tl.store(row + AT_DISTANCE_REST * v_kind, tl.where(measurable, far_rest / safe, 0.0), mask=here)
        entropy_rest = tl.where(measurable, tl.log(safe) - logs_rest / safe * LN_2, 0.0)
        tl.store(row + AT_ENTROPY_REST * v_kind, entropy_rest, mask=here)
        if HAS_SINKS:
            taken = 1.0 / (1.0 + tl.exp2(lse - tl.load(Sinks + head) * LOG2_OF_E))
            tl.store(row + AT_NULL_MASS * v_kind, taken, mask=here)
        if not HAS_TURNS:
            on_scaffold = tl.sum(scaffold, 1) + tl.where(tl.load(Column + item * tokens) == 0, p_0, 0.0)
        tl.store(row + AT_SCAFFOLD * v_kind, on_scaffold * inverse, mask=here)
        if HAS_TURNS:
            asks = here & (tl.load(QueryTurn + item * tokens + i, mask=real, other=-1) >= 0)
            crossed = cross_speaker + own_history
            tl.store(row + AT_CONTENT * v_kind, (same_turn + crossed) * inverse, mask=asks)
            tl.store(row + AT_CROSS_TURN * v_kind, crossed * inverse, mask=asks)
            tl.store(row + AT_CROSS_SPEAKER * v_kind, cross_speaker * inverse, mask=asks)
            tl.store(row + AT_OWN_HISTORY * v_kind, own_history * inverse, mask=asks)
            tl.store(row + AT_TURN_STEPS * v_kind, turn_steps * inverse, mask=asks)
