"""The oracle: every statistic straight from its definition, in float64, over the whole N x N matrix.

For tests and for the check of a model when it is loaded; its memory grows with the square of the tokens.
"""

import math

import torch
from torch import Tensor

from attention.definitions import SINK_LIMIT
from attention.kernels.call import AttentionCall
from attention.kernels.groups import KeyGroups
from attention.kernels.rows import RowStatistics, flow_of_each


def weights(call: AttentionCall, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Attention weights over real keys, (H, n, n) for each sequence; rows sum to 1 less what a learned sink took."""
    result = []
    heads, key_heads = call.query.shape[1], call.key.shape[1]
    for item, visible in enumerate(call.layout.visible_keys):
        span = slice(visible.start, visible.start + visible.tokens)
        q = call.query[item, :, span].to(dtype)  # (H, n, D)
        k = call.key[item, :, span].to(dtype).repeat_interleave(heads // key_heads, dim=0)  # (H, n, D)
        scores = q @ k.transpose(1, 2) * call.scaling  # (H, n, n)
        if call.softcap is not None:
            scores = call.softcap * torch.tanh(scores / call.softcap)
        if call.bias is not None:
            scores = scores + call.bias[item if call.bias.shape[0] > 1 else 0, :, span, span].to(dtype)
        seen = torch.from_numpy(visible.matrix()).to(scores.device)  # (n, n)
        scores = scores.masked_fill(~seen, -math.inf)
        if call.sinks is not None:
            column = call.sinks.to(dtype).reshape(-1, 1, 1).expand(-1, visible.tokens, 1)  # (H, n, 1)
            a = torch.softmax(torch.cat([scores, column], dim=-1), dim=-1)[..., :-1]
        else:
            a = torch.softmax(scores, dim=-1)
        result.append(a.masked_fill(~seen.any(-1)[:, None], 0.0))  # rows that see no key have no weights
    return result


def attend(call: AttentionCall) -> tuple[Tensor, RowStatistics]:
    """Attention's output (B, N, Hq, Dv) in the values' dtype and all row statistics in float64 throughout."""
    heads, key_heads = call.query.shape[1], call.value.shape[1]
    output = call.empty_output()
    rows = call.empty_exact_rows()
    turns = call.layout.groups.turn_counts.tolist()
    flow = None if rows.flow is None else flow_of_each(rows.flow, turns)
    for item, (a, visible) in enumerate(zip(weights(call), call.layout.visible_keys, strict=True)):
        span = slice(visible.start, visible.start + visible.tokens)
        v = call.value[item, :, span].double().repeat_interleave(heads // key_heads, dim=0)  # (H, n, Dv)
        output[item, span] = (a @ v).transpose(0, 1).to(output.dtype)
        fill_from_weights(rows, item, a, call.layout.groups.each[item], None if flow is None else flow[item])
    return output, rows


def fill_from_weights(rows: RowStatistics, item: int, a: Tensor, groups: KeyGroups, flow: Tensor | None = None) -> None:
    """Write the statistics of one sequence's weights `a` (H, n, n), float64, into `rows`, formula by formula.

    `flow` (H or 1, T, T + 1) is the sequence's own part of the flow.
    """
    heads, n, _ = a.shape
    real = a.sum(-1)  # (H, n)
    alive = real > 0
    p = a / torch.where(alive, real, 1.0)[..., None]  # renormalised over real keys
    position = torch.arange(n, device=a.device, dtype=a.dtype)
    offset = position[:, None] - position[None, :]  # i - j
    span = offset.abs()
    rows.distance[item, :, :n] = (p * span).sum(-1)
    mean = (p * offset).sum(-1)
    rows.variance[item, :, :n] = (p * (offset - mean[..., None]) ** 2).sum(-1)
    rows.entropy[item, :, :n] = -torch.special.xlogy(p, p).sum(-1)
    rows.null_mass[item, :, :n] = torch.where(alive, 1 - real, 0.0)
    if n:
        rows.sink[item, :, :n] = p[..., 0]
    rest = p[..., 1:].sum(-1)
    rows.rest[item, :, :n] = rest
    measurable = rest >= SINK_LIMIT
    r = p[..., 1:] / torch.where(measurable, rest, 1.0)[..., None]  # the row without key 0
    rows.distance_rest[item, :, :n] = torch.where(measurable, (r * span[:, 1:]).sum(-1), 0.0)
    rows.entropy_rest[item, :, :n] = torch.where(measurable, -torch.special.xlogy(r, r).sum(-1), 0.0)
    column = torch.from_numpy(groups.column).to(a.device)
    rows.scaffold[item, :, :n] = p[..., column == 0].sum(-1)
    if rows.received is not None:
        rows.received[item, :, :n] = p.sum(-2)
    if rows.by_distance is not None and groups.turns:
        rows.by_distance[item, :, :n].index_add_(1, span.long().flatten(), p.flatten(1))
    if not rows.has_turns:
        return
    turns = groups.turns
    mass = torch.zeros(heads, n, turns + 1, device=a.device, dtype=a.dtype)  # (H, n, 1 + T)
    for index in range(turns + 1):
        mass[..., index] = p[..., column == index].sum(-1)
    own = torch.from_numpy(groups.query_turn).to(a.device)
    for i in torch.nonzero(own >= 0).flatten().tolist():
        t = int(own[i])
        for b in range(turns):
            m = mass[:, i, 1 + b]
            same = bool(groups.turn_speaker[t] == groups.turn_speaker[b])
            steps = abs(int(groups.turn_number[t]) - int(groups.turn_number[b]))
            rows.content[item, :, i] += m
            if b != t:
                rows.cross_turn[item, :, i] += m
                rows.turn_steps[item, :, i] += m * steps
                (rows.own_history if same else rows.cross_speaker)[item, :, i] += m
        if flow is not None:
            flow[:, t] += mass[:, i] if flow.shape[0] == heads else mass[:, i].sum(0)
