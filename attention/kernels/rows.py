"""The groups of one sequence's tokens, what is wanted of its rows, and the row statistics that a kernel returns."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SCAFFOLD_COLUMN = 0
NO_COLUMN = -1


@dataclass(frozen=True, slots=True, eq=False)
class KeyGroups:
    """The group of keys that each token of one sequence of n tokens belongs to.

    `column` (n,): 0 scaffold, 1 + t content of the sequence's t-th turn, -1 neither (the words of a plain text).
    `turn_number` (T,): the turns' places in the whole document. `turn_speaker` (T,): their speakers.
    """

    column: NDArray[np.int32]
    turn_number: NDArray[np.int32]
    turn_speaker: NDArray[np.int32]

    @property
    def turns(self) -> int:
        return len(self.turn_number)

    @property
    def query_turn(self) -> NDArray[np.int32]:
        """The turn each token is content of, counted in this sequence from 0; -1 for no turn. (n,)"""
        return np.where(self.column > SCAFFOLD_COLUMN, self.column - 1, NO_COLUMN).astype(np.int32)

    def runs(self) -> NDArray[np.int32]:
        """Unbroken runs of keys of one group as rows (first key, one past the last key, column). (S, 3)"""
        edges = np.flatnonzero(np.diff(self.column)) + 1
        starts = np.concatenate([[0], edges]).astype(np.int32)
        stops = np.concatenate([edges, [len(self.column)]]).astype(np.int32)
        runs = np.stack([starts, stops, self.column[starts]], axis=1)
        return np.ascontiguousarray(runs[runs[:, 2] >= 0])


@dataclass(frozen=True, slots=True)
class RowRequest:
    """What is wanted beyond the statistics that every row has.

    `received`: column sums. `turns`: masses by turn, and weights by distance. `flow`: turn-to-turn masses, summed
    over heads; with `flow_heads` for each head.
    """

    received: bool = False
    turns: bool = False
    flow: bool = False
    flow_heads: bool = False


_EVERY: Final = {"rows": "every"}
_TURNS: Final = {"rows": "of turns' content"}


@dataclass(slots=True, eq=False)
class RowStatistics:
    """Statistics of every attention row of one layer, for B sequences, H query heads, at most N tokens.

    Tensors are (B, H, N), fp32 or float64, and row i stands at the sequence's own position i, wherever padding was.
    Rows beyond a sequence's end, and rows that see no key, hold 0. Masses are of the row renormalised over real keys,
    so that null_mass (what a learned sink took) is apart from them.

    These fields are the only list of the statistics: the layouts of the kernels follow from it through `EVERY_ROW` and
    `TURN_ROWS`.
    """

    distance: Tensor = field(metadata=_EVERY)  # sum_j a |i-j|, tokens
    variance: Tensor = field(metadata=_EVERY)  # of the signed offset, tokens squared
    entropy: Tensor = field(metadata=_EVERY)  # nats
    sink: Tensor = field(metadata=_EVERY)  # a[i, 0]
    rest: Tensor = field(metadata=_EVERY)  # sum of a[i, j] over j != 0
    distance_rest: Tensor = field(metadata=_EVERY)  # over keys but 0, renormalised, tokens
    entropy_rest: Tensor = field(metadata=_EVERY)  # over keys but 0, renormalised, nats
    null_mass: Tensor = field(metadata=_EVERY)
    scaffold: Tensor = field(metadata=_EVERY)  # mass on scaffold keys
    content: Tensor | None = field(metadata=_TURNS)  # mass on content of any turn
    cross_turn: Tensor | None = field(metadata=_TURNS)  # mass on content of other turns
    cross_speaker: Tensor | None = field(metadata=_TURNS)  # mass on content of other speakers' turns
    own_history: Tensor | None = field(metadata=_TURNS)  # mass on content of the speaker's other turns
    turn_steps: Tensor | None = field(metadata=_TURNS)  # sum over turns b of mass on b times |t - b|, turns
    by_distance: Tensor | None  # (B, H, N): entry d is the sum of a[i, j] over pairs with |i-j| = d; 0 without turns
    received: Tensor | None  # (B, H, N): sum over i of a[i, j]
    flow: list[Tensor] | None  # one (H or 1, T, T + 1) for each sequence: sums over the rows of a turn

    @classmethod
    def empty(
        cls,
        heads: int,
        tokens: int,
        groups: Sequence[KeyGroups],
        request: RowRequest,
        *,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> "RowStatistics":
        """All zero, for the kernels to fill."""
        shape = (len(groups), heads, tokens)

        def rows() -> Tensor:
            return torch.zeros(shape, dtype=dtype, device=device)

        flow = None
        if request.flow or request.flow_heads:
            depth = heads if request.flow_heads else 1
            flow = [torch.zeros(depth, g.turns, g.turns + 1, dtype=dtype, device=device) for g in groups]
        statistics: dict[str, Any] = {name: rows() for name in EVERY_ROW}
        statistics |= {name: rows() if request.turns else None for name in TURN_ROWS}
        return cls(
            **statistics,
            by_distance=rows() if request.turns else None,
            received=rows() if request.received else None,
            flow=flow,
        )


EVERY_ROW: Final = tuple(each.name for each in fields(RowStatistics) if each.metadata == _EVERY)
"""The statistics that every row has."""
TURN_ROWS: Final = tuple(each.name for each in fields(RowStatistics) if each.metadata == _TURNS)
"""Those that only rows of a turn's content have, and only where turns are asked for."""
