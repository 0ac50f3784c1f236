"""What a head would give if its attention depended on distance alone: the baseline of the `*_lift_local` metrics.

Where distance alone decides what a query sees (causal, sliding window, bidirectional), the mass on all content and on
one speaker's is a correlation of the head's mean weights with the tokens' marks, so that long conversations of many
turns cost n log n for each speaker and not n times the turns.
"""

import numpy as np
import torch
from torch import Tensor

from attention.kernels.groups import KeyGroups
from attention.kernels.visibility import VisibleKeys

BLOCK_MASSES = 1 << 20
ROUNDING = 1e-12
"""Masses below this are rounding errors of the Fourier transform."""


def by_distance_alone(mean: Tensor, visible: VisibleKeys, groups: KeyGroups) -> Tensor:
    """Masses that a head's own mean attention at each distance would put on content: (4, H, n), float64.

    In order: on all content, on other turns', on other speakers', on other turns' of the same speaker. `mean` (H, n),
    float64, are a head's mean weights at each distance. Rows that are no turn's content are 0.
    """
    device = mean.device
    if groups.turns == 0:
        return torch.zeros(4, *mean.shape, dtype=torch.float64, device=device)
    turn = torch.from_numpy(groups.query_turn).to(device).long()  # (n,)
    speaker = torch.from_numpy(groups.turn_speaker).to(device).long()[turn.clamp(min=0)]
    in_turn = turn >= 0
    reach = _reach(visible)
    if reach is None:
        content, same_turn, same_speaker = _in_blocks(mean, visible, turn, torch.where(in_turn, speaker, -1))
    else:
        weight = _signed(mean, *reach)  # (H, 2n - 1)
        content, same_speaker = _correlated(weight, in_turn, speaker)
        same_turn = _own_turn(weight, groups, turn)
    masses = torch.stack([content, content - same_turn, content - same_speaker, same_speaker - same_turn])
    return torch.where(in_turn & (masses > ROUNDING), masses, 0.0)


def _reach(visible: VisibleKeys) -> tuple[int, int] | None:
    """How many keys before and after itself every query sees, cut at the sequence's ends; None where queries differ."""
    if visible.seen is not None:
        return None
    place = np.arange(visible.tokens)
    before, after = int((place - visible.first).max()), int((visible.last - 1 - place).max())
    same_before = visible.first == np.maximum(place - before, 0)
    same_after = visible.last == np.minimum(place + after + 1, visible.tokens)
    return (before, after) if bool((same_before & same_after).all()) else None


def _signed(mean: Tensor, before: int, after: int) -> Tensor:
    """Mean weights by offset j - i from -(n - 1) to n - 1; 0 out of reach. (H, 2n - 1)"""
    n = mean.shape[1]
    offset = torch.arange(-(n - 1), n, device=mean.device)
    return torch.where((offset >= -before) & (offset <= after), mean[:, offset.abs()], 0.0)


def _correlated(weight: Tensor, in_turn: Tensor, speaker: Tensor) -> tuple[Tensor, Tensor]:
    """For each query the weights on all content and on its own speaker's. (H, n) each"""
    n = len(in_turn)
    size = 1 << (2 * n - 1).bit_length()
    ring = weight.new_zeros(weight.shape[0], size)
    ring[:, :n] = weight[:, n - 1 :]  # offsets 0 .. n - 1
    ring[:, size - n + 1 :] = weight[:, : n - 1]  # offsets -(n - 1) .. -1
    spectrum = torch.fft.rfft(ring).conj()  # (H, F)

    def mass(marks: Tensor) -> Tensor:
        sums: Tensor = torch.fft.irfft(torch.fft.rfft(marks.double(), n=size) * spectrum, n=size)
        return sums[:, :n]

    same_speaker = weight.new_zeros(weight.shape[0], n)
    for each in torch.unique(speaker[in_turn]).tolist():
        own = in_turn & (speaker == each)
        same_speaker[:, own] = mass(own)[:, own]
    return mass(in_turn), same_speaker


def _own_turn(weight: Tensor, groups: KeyGroups, turn: Tensor) -> Tensor:
    """For each query the weights on its own turn's content, by running sums over each of the turn's runs. (H, n)"""
    n = len(turn)
    total = torch.nn.functional.pad(weight.cumsum(1), (1, 0))  # entry o + n - 1 sums the offsets below o
    result = weight.new_zeros(weight.shape[0], n)
    for start, stop, column in groups.runs().tolist():
        if column > 0:
            place = torch.nonzero(turn == column - 1)[:, 0]
            result[:, place] += total[:, stop - place + n - 1] - total[:, start - place + n - 1]
    return result


def _in_blocks(mean: Tensor, visible: VisibleKeys, turn: Tensor, speaker: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same from the matrix of visible keys, a block of queries at a time: content, own turn, own speaker. (H, n)"""
    heads, n = mean.shape
    place = torch.arange(n, device=mean.device)
    seen = torch.from_numpy(visible.matrix()).to(mean.device)
    masses = mean.new_zeros(3, heads, n)
    step = max(1, BLOCK_MASSES // (heads * n))
    for low in range(0, n, step):
        rows = slice(low, min(n, low + step))
        weight = mean[:, (place[rows, None] - place).abs()] * (seen[rows] & (turn >= 0))  # (H, R, n)
        masses[0, :, rows] = weight.sum(-1)
        masses[1, :, rows] = (weight * (turn[rows, None] == turn)).sum(-1)
        masses[2, :, rows] = (weight * (speaker[rows, None] == speaker)).sum(-1)
    return masses[0], masses[1], masses[2]
