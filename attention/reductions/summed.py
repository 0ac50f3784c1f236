"""What is summed over rows, and in which order the sums stand."""

from dataclasses import dataclass
from typing import Final

from torch import Tensor

from attention.definitions import TURN_METRIC_NAMES

SHARES: Final = ("cross_turn", "cross_speaker", "own_history")
"""Shares of the mass on content, each with its expectation under uniform attention and under distance alone."""
ROW_MEANS: Final = TURN_METRIC_NAMES
"""The metrics that are means over rows, of a head as of a turn."""
LEFT_OUT: Final = "left_out"
"""Counts rows that see other keys than the first but have less than `SINK_LIMIT` of their mass on them."""
SUMMED: Final = (*ROW_MEANS, *(f"{share}_{kind}" for kind in ("uniform", "local") for share in SHARES), LEFT_OUT)
"""What is summed over rows: K kinds. `*_uniform` and `*_local` are the lifts' denominators."""


@dataclass(frozen=True, slots=True, eq=False)
class RowSums:
    """Sums over the defined rows of G layers and the number of those rows, float64.

    `heads` (G, 2, K, B, H), kinds as in `SUMMED`. `turns` (G, 2, M, S), kinds as in `ROW_MEANS`, summed over the heads
    and the content rows of each of the batch's turns; None where they were not asked for.
    """

    heads: Tensor
    turns: Tensor | None
