"""Which of the reductions takes what; the only place that chooses."""

from functools import cache
from types import ModuleType

from torch import Tensor

from attention.kernels import LayersOfRows, Layout
from attention.kernels.compiled import best_level
from attention.reductions import compiled, plain
from attention.reductions.summed import RowSums


@cache
def _fused() -> ModuleType | None:
    try:
        from attention.reductions import fused
    except ImportError:  # no Triton, as kernels says in the log
        return None
    return fused


def sum_rows(rows: LayersOfRows, layout: Layout, *, of_turns: bool) -> RowSums:
    """Sums over the defined rows of every head and, with `of_turns`, of every turn, and how many there are."""
    if not layout.has_holes:
        device = rows.values.device.type
        fused = _fused() if device == "cuda" else None
        if fused is not None:
            return fused.sum_rows(rows, layout, of_turns=of_turns)  # type: ignore[no-any-return]
        if device == "cpu" and best_level() is not None:
            return compiled.sum_rows(rows, layout, of_turns=of_turns)
    return plain.sum_rows(rows, layout, of_turns=of_turns)


def sum_segments(states: Tensor, index: Tensor, segments: Tensor) -> Tensor:
    """Sums (S, d) in float64 of the states (B, N, d) of each segment's rows.

    `index` (B, N) int32 is the segment that a token belongs to, -1 for none; `segments` (S, 3) int32 are each one's
    sequence, first row and one past its last.
    """
    fused = _fused() if states.device.type == "cuda" else None
    if fused is not None:
        return fused.sum_segments(states, index, segments)  # type: ignore[no-any-return]
    return plain.sum_segments(states, index, segments)
