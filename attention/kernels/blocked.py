"""Row statistics in PyTorch, a block of queries at a time, on any device and under any mask.

Scores and accumulators are fp32 whatever the model's dtype. One block holds (heads x rows x keys) scores, so that
memory grows linearly with the tokens. Sums without key 0 are accumulated without it, never got by subtraction.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from attention.definitions import SINK_LIMIT
from attention.kernels.call import AttentionCall
from attention.kernels.groups import KeyGroups
from attention.kernels.rows import TURN_ROWS, RowStatistics, as_fixed, flow_of_each
from attention.kernels.visibility import VisibleKeys

BLOCK_SCORES = 1 << 21
"""Scores a block may hold: 8 MB in fp32."""
HIDDEN = -1e30
"""Used for minus infinity, because minus infinity times zero would be NaN."""


def attend(call: AttentionCall, rows: RowStatistics, *, block_rows: int | None = None) -> Tensor:
    """Attention's output (B, N, Hq, Dv) in the values' dtype; the statistics of every row go into `rows`.

    `block_rows` is how many queries are taken at a time; it changes only speed and memory. Rows of padding are 0.
    """
    heads = call.query.shape[1]
    output = call.empty_output()
    turns = call.layout.groups.turn_counts.tolist()
    flow = None if rows.flow is None else flow_of_each(rows.flow, turns)
    for item, (visible, groups) in enumerate(zip(call.layout.visible_keys, call.layout.groups.each, strict=True)):
        sequence = _Sequence.of(call, item)
        step = block_rows or max(8, min(256, BLOCK_SCORES // max(1, heads * visible.tokens)))
        writer = _RowWriter(rows, item, visible, groups, None if flow is None else flow[item])
        for low in range(0, visible.tokens, step):
            high = min(visible.tokens, low + step)
            block = _block(sequence, writer, low, high)
            output[item, visible.start + low : visible.start + high] = block.to(output.dtype)
    return output


@dataclass(frozen=True, slots=True, eq=False)
class _Sequence:
    """One sequence's tensors, padding cut away."""

    query: Tensor  # (Hq, n, D)
    key: Tensor  # (Hkv, n, D), fp32
    value: Tensor  # (Hkv, n, Dv), fp32
    scaling: float
    softcap: float | None
    sinks: Tensor | None  # (Hq,)
    bias: Tensor | None  # (Hq or 1, n, n)

    @classmethod
    def of(cls, call: AttentionCall, item: int) -> "_Sequence":
        visible = call.layout.visible_keys[item]
        span = slice(visible.start, visible.start + visible.tokens)
        return cls(
            query=call.query[item, :, span],
            key=call.key[item, :, span].float(),
            value=call.value[item, :, span].float(),
            scaling=call.scaling,
            softcap=call.softcap,
            sinks=call.sinks,
            bias=None if call.bias is None else call.bias[item if call.bias.shape[0] > 1 else 0, :, span, span],
        )

    def scores(self, low: int, high: int, first: int, last: int) -> Tensor:
        """Scores of queries [low, high) with keys [first, last), before any mask. (Hq, R, K), fp32"""
        shared, rows = self.key.shape[0], high - low
        q = self.query[:, low:high].float() * self.scaling  # (Hq, R, D)
        q = q.reshape(shared, -1, q.shape[-1])  # (Hkv, G * R, D): the query heads of one key head in a row
        scores = (q @ self.key[:, first:last].transpose(1, 2)).view(-1, rows, last - first)  # (Hq, R, K)
        if self.softcap is not None:
            scores = scores.div_(self.softcap).tanh_().mul_(self.softcap)
        if self.bias is not None:
            scores += self.bias[:, low:high, first:last]
        return scores

    def mix(self, p: Tensor, first: int, last: int) -> Tensor:
        """Values weighted by `p` (Hq, R, K). (R, Hq, Dv)"""
        heads, rows, _ = p.shape
        mixed = p.view(self.value.shape[0], -1, last - first) @ self.value[:, first:last]  # (Hkv, G * R, Dv)
        return mixed.view(heads, rows, -1).transpose(0, 1)


class _RowWriter:
    """Takes a block's weights and writes the statistics of its rows."""

    def __init__(
        self, rows: RowStatistics, item: int, visible: VisibleKeys, groups: KeyGroups, flow: Tensor | None
    ) -> None:
        self.rows, self.item, self.visible, self.groups, self.flow = rows, item, visible, groups, flow
        self.device = device = rows.values.device
        self.first = torch.from_numpy(visible.first).to(device)
        self.last = torch.from_numpy(visible.last).to(device)
        self.position = torch.arange(visible.tokens, device=device)
        column = torch.from_numpy(groups.column).to(device)
        columns = torch.arange(groups.turns + 1, device=device)
        self.column = (column[:, None] == columns).float()  # (n, 1 + T)
        self.query_turn = torch.from_numpy(groups.query_turn).to(device).long()
        self.turn_number = torch.from_numpy(groups.turn_number).to(device)
        self.turn_speaker = torch.from_numpy(groups.turn_speaker).to(device)

    def hidden(self, low: int, high: int, first: int, last: int) -> Tensor | None:
        """Which of keys [first, last) queries [low, high) may not see (R, K); None where they see all."""
        visible = self.visible
        if visible.seen is not None:
            return torch.from_numpy(~visible.seen[low:high, first:last]).to(self.device)
        if visible.first[low:high].max() <= first and visible.last[low:high].min() >= last:
            return None
        keys = self.position[first:last]
        return (keys < self.first[low:high, None]) | (keys >= self.last[low:high, None])

    def turn_masses(self, mass: Tensor, low: int, high: int) -> None:
        """Add masses by group of keys `mass` (H, R, 1 + T) to the numerators of the shares and to the flow."""
        rows, item = self.rows, self.item
        if not rows.has_turns or self.groups.turns == 0:
            return
        own = self.query_turn[low:high]
        in_turn = own >= 0
        t = own.clamp(min=0)
        kinds = turn_kinds(t, self.turn_number, self.turn_speaker) * in_turn[:, None, None]  # (R, T, 5)
        sums = torch.matmul(mass[..., 1:].transpose(0, 1), kinds)  # (R, H, 5)
        for index, name in enumerate(TURN_ROWS):
            getattr(rows, name)[item, :, low:high] = sums[..., index].T
        if self.flow is not None:
            masses = mass if self.flow.shape[0] == mass.shape[0] else mass.sum(0, keepdim=True)
            self.flow.index_add_(1, t[in_turn], as_fixed(masses[:, in_turn]))


def turn_kinds(own: Tensor, turn_number: Tensor, turn_speaker: Tensor) -> Tensor:
    """For queries of turns `own` (R,), how the mass on each turn counts in each of `TURN_ROWS`. (R, T, 5)"""
    turns = torch.arange(len(turn_number), device=own.device)
    other = own[:, None] != turns  # (R, T)
    same_speaker = turn_speaker[own][:, None] == turn_speaker
    steps = (turn_number[own][:, None] - turn_number).abs()
    kinds = {
        "content": torch.ones_like(other),
        "cross_turn": other,
        "cross_speaker": ~same_speaker,
        "own_history": same_speaker & other,
        "turn_steps": steps,
    }
    return torch.stack([kinds[name].float() for name in TURN_ROWS], dim=-1)


def _block(sequence: _Sequence, writer: _RowWriter, low: int, high: int) -> Tensor:
    """Attend for queries [low, high); give their output (R, Hq, Dv) and leave their statistics with the writer."""
    rows, item, visible = writer.rows, writer.item, writer.visible
    sees = visible.last[low:high] > visible.first[low:high]
    heads = sequence.query.shape[0]
    if not sees.any():
        return sequence.value.new_zeros(high - low, heads, sequence.value.shape[-1])
    first, last = int(visible.first[low:high][sees].min()), int(visible.last[low:high].max())
    here = (item, slice(None), slice(low, high))

    scores = sequence.scores(low, high, first, last)  # (H, R, K)
    hidden = writer.hidden(low, high, first, last)
    if hidden is not None:
        scores.masked_fill_(hidden, HIDDEN)
    m = scores.amax(-1, keepdim=True)
    t = scores.sub_(m)  # s - m
    e = t.exp()  # (H, R, K)
    if not sees.all():
        e.masked_fill_(torch.from_numpy(~sees).to(e.device)[:, None], 0.0)
    key, place = writer.position[first:last], writer.position[low:high]
    span = (place[:, None] - key).abs().float()  # (R, K)

    # Sums over the keys but 0, then with it: key 0 is added, never subtracted.
    begin = 1 if first == 0 else 0
    rest_e = e[..., begin:]
    work = torch.empty_like(e)
    L_rest = rest_e.sum(-1)
    A_rest = torch.mul(rest_e, span[:, begin:], out=work[..., begin:]).sum(-1)
    S_rest = torch.mul(rest_e, t[..., begin:], out=work[..., begin:]).sum(-1)
    L, A, S = L_rest, A_rest, S_rest
    if begin:
        e_0 = e[..., 0]
        L, A, S = L + e_0, A + e_0 * span[:, 0], S + e_0 * t[..., 0]
    safe = L.clamp(min=torch.finfo(torch.float32).tiny)
    alive = L > 0
    if begin:
        rows.sink[here] = e_0 / safe
    rest = L_rest / safe
    rows.rest[here] = rest
    rows.distance[here] = A / safe
    rows.entropy[here] = (safe.log() - S / safe) * alive
    measurable = rest >= SINK_LIMIT
    safe_rest = torch.where(measurable, L_rest, 1.0)
    rows.distance_rest[here] = torch.where(measurable, A_rest / safe_rest, 0.0)
    rows.entropy_rest[here] = torch.where(measurable, safe_rest.log() - S_rest / safe_rest, 0.0)
    taken = None
    if sequence.sinks is not None:
        taken = torch.sigmoid(sequence.sinks.float()[:, None] - (m[..., 0] + safe.log())) * alive
        rows.null_mass[here] = taken

    p = e.div_(safe[..., None])  # (H, R, K)
    mean = torch.matmul(p, key.float())  # (H, R): mean position of the attended keys
    centred = torch.sub(key.float(), mean[..., None], out=work).square_().mul_(p)
    rows.variance[here] = centred.sum(-1)
    mass = torch.matmul(p, writer.column[first:last])  # (H, R, 1 + T)
    rows.scaffold[here] = mass[..., 0]
    writer.turn_masses(mass, low, high)
    if rows.received is not None:
        rows.received[item, :, first:last] += as_fixed(p.sum(1))
    if rows.by_distance is not None and writer.groups.turns:
        sums, offsets = diagonal_sums(p, low, first)
        rows.by_distance[item].index_add_(1, offsets.abs(), as_fixed(sums))
    mixed = sequence.mix(p, first, last)  # (R, H, Dv)
    return mixed if taken is None else mixed * (1 - taken).T[..., None]


def diagonal_sums(p: Tensor, low: int, first: int) -> tuple[Tensor, Tensor]:
    """Sum a block of weights (H, R, K), whose first row is query `low` and first column key `first`, along diagonals.

    Gives the sums (H, R + K - 1) and each one's offset j - i (R + K - 1,). In a buffer whose rows are one longer than
    the skewed ones, a diagonal becomes a column.
    """
    heads, rows, keys = p.shape
    width = keys + rows
    buffer = p.new_zeros(heads, rows * (width + 1))
    buffer.as_strided((heads, rows, keys), (buffer.stride(0), width, 1), rows - 1).copy_(p)
    skewed = buffer.view(heads, rows, width + 1)
    sums = skewed.sum(1)[:, : rows + keys - 1]  # column c holds offset c - (rows - 1) in the block
    offsets = torch.arange(rows + keys - 1, device=p.device) - (rows - 1) + first - low
    return sums, offsets
