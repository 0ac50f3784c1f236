"""Sums of hidden states over labelled rows."""

from typing import Final

import torch
import triton
import triton.language as tl
from torch import Tensor

from attention.kernels.fused.launch import launch

ROWS: Final = 32
WIDTH: Final = 64
"""Rows that are added at a time, and components of a state that one program adds up."""


def sum_segments(states: Tensor, index: Tensor, segments: Tensor) -> Tensor:
    """Sums (S, d) float64 of the states over each segment's rows.

    `states` (B, N, d), any float dtype. `segments` (S, 3): sequence, first row, one past the last; of those rows
    segment s has the ones whose `index` (B, N) is s. Both int32.
    """
    width = states.shape[-1]
    sums = torch.empty(len(segments), width, dtype=torch.float64, device=states.device)
    if len(segments):
        launch(
            _segment_sums, (len(segments), triton.cdiv(width, WIDTH)),
            states, index, segments, sums, *states.stride(), *index.stride(), width,
            ROWS=ROWS, WIDTH=WIDTH,
        )  # fmt: skip
    return sums


@triton.jit(do_not_specialize=["s_b", "s_n", "i_b", "i_n", "width"])  # type: ignore[untyped-decorator]
def _segment_sums(  # type: ignore[no-untyped-def]
    States, Index, Segments, Out, s_b, s_n, s_d, i_b, i_n, width, ROWS: tl.constexpr, WIDTH: tl.constexpr
):
    """Some components of one segment's sum."""
    segment = tl.program_id(0)
    item = tl.load(Segments + segment * 3)
    first, past = tl.load(Segments + segment * 3 + 1), tl.load(Segments + segment * 3 + 2)
    x = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    states = States + tl.cast(item, tl.int64) * s_b + x[None, :] * s_d
    sums = tl.zeros([ROWS, WIDTH], tl.float64)
    for base in range(first, past, ROWS):
        i = base + tl.arange(0, ROWS)
        belongs = tl.load(Index + item * i_b + i * i_n, mask=i < past, other=-1) == segment
        asked = belongs[:, None] & (x < width)[None, :]
        sums += tl.load(states + tl.cast(i, tl.int64)[:, None] * s_n, mask=asked, other=0.0).to(tl.float64)
    tl.store(Out + tl.cast(segment, tl.int64) * width + x, tl.sum(sums, 0), mask=x < width)
