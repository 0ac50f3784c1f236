"""What is wanted of attention's rows, and the row statistics that a kernel writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

FIXED_POINT: Final = 2.0**-40
"""The unit of sums that several threads add to: whole numbers add up the same in any order."""


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

    @property
    def any_flow(self) -> bool:
        return self.flow or self.flow_heads


class _Row:
    """One statistic of every row: (B, H, N), a view of the statistics' `values` at the place of its name."""

    def __init__(self, *, of_turns: bool = False) -> None:
        self.of_turns = of_turns

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, rows: "RowStatistics", owner: type) -> Tensor:
        return rows.values[PLACES[self.name]]


@dataclass(frozen=True, slots=True, eq=False)
class RowStatistics:
    """Statistics of every attention row of one layer, for B sequences, H query heads, at most N tokens.

    `values` (K, B, H, N), fp32 or float64, holds one statistic after the other in the order in which they stand here,
    which is the only list of them: the layouts of the kernels follow from it through `EVERY_ROW` and `TURN_ROWS`. Row i
    stands at the sequence's own position i, wherever padding was. Rows beyond a sequence's end, and rows that see no
    key, hold 0. Masses are of the row renormalised over real keys, so that null_mass (what a learned sink took) is
    apart from them. The statistics of turns' content are there where turns are asked for.

    The sums over rows are whole numbers of `FIXED_POINT` (int64), or float64 from the oracle: `by_distance` and
    `received` (B, H, N), None where not asked for; `flow` (F,) all sequences' (H or 1, T, T + 1) one after the other.
    """

    values: Tensor
    by_distance: Tensor | None = None  # entry d is the sum of a[i, j] over pairs with |i-j| = d
    received: Tensor | None = None  # sum over i of a[i, j]
    flow: Tensor | None = None  # sums over the rows of a turn of the masses on scaffold and on each turn

    distance = _Row()  # sum_j a |i-j|, tokens
    variance = _Row()  # of the signed offset, tokens squared
    entropy = _Row()  # nats
    sink = _Row()  # a[i, 0]
    rest = _Row()  # sum of a[i, j] over j != 0
    distance_rest = _Row()  # over keys but 0, renormalised, tokens
    entropy_rest = _Row()  # over keys but 0, renormalised, nats
    null_mass = _Row()
    scaffold = _Row()  # mass on scaffold keys
    content = _Row(of_turns=True)  # mass on content of any turn
    cross_turn = _Row(of_turns=True)  # mass on content of other turns
    cross_speaker = _Row(of_turns=True)  # mass on content of other speakers' turns
    own_history = _Row(of_turns=True)  # mass on content of the speaker's other turns
    turn_steps = _Row(of_turns=True)  # sum over turns b of mass on b times |t - b|, turns

    @property
    def has_turns(self) -> bool:
        """Whether the statistics of turns' content are among the values."""
        return len(self.values) == len(EVERY_ROW + TURN_ROWS)


def _rows(*, of_turns: bool) -> tuple[str, ...]:
    return tuple(
        name for name, each in vars(RowStatistics).items() if isinstance(each, _Row) and each.of_turns == of_turns
    )


EVERY_ROW: Final = _rows(of_turns=False)
"""The statistics that every row has."""
TURN_ROWS: Final = _rows(of_turns=True)
"""Those that only rows of a turn's content have, and only where turns are asked for."""
PLACES: Final = {name: place for place, name in enumerate(EVERY_ROW + TURN_ROWS)}
"""Where each statistic stands among the values."""


@dataclass(frozen=True, slots=True, eq=False)
class LayersOfRows:
    """The row statistics of G layers in one memory: `RowStatistics` with the layers before everything else.

    `values` (G, K, B, H, N) fp32; `by_distance` and `received` (G, B, H, N) and `flow` (G, F) in `FIXED_POINT`.
    """

    values: Tensor
    by_distance: Tensor | None
    received: Tensor | None
    flow: Tensor | None

    @classmethod
    def empty(
        cls,
        layers: int,
        shape: tuple[int, int, int],
        request: RowRequest,
        *,
        flow_sizes: int,
        device: torch.device,
    ) -> "LayersOfRows":
        """All zero, for kernels to fill; `shape` is (B, H, N), `flow_sizes` the sum of T (T + 1) over the sequences."""
        kinds = len(EVERY_ROW) + (len(TURN_ROWS) if request.turns else 0)

        def sums(*size: int) -> Tensor:
            return torch.zeros(layers, *size, dtype=torch.int64, device=device)

        return cls(
            values=torch.zeros(layers, kinds, *shape, device=device),
            by_distance=sums(*shape) if request.turns else None,
            received=sums(*shape) if request.received else None,
            flow=sums(flow_sizes * (shape[1] if request.flow_heads else 1)) if request.any_flow else None,
        )

    @property
    def layers(self) -> int:
        return len(self.values)

    def layer(self, index: int) -> RowStatistics:
        """The statistics of one layer, for a kernel to fill."""
        return RowStatistics(
            self.values.select(0, index),
            None if self.by_distance is None else self.by_distance.select(0, index),
            None if self.received is None else self.received.select(0, index),
            None if self.flow is None else self.flow.select(0, index),
        )

    def first(self, layers: int) -> "LayersOfRows":
        """The first of the layers alone."""
        return LayersOfRows(
            self.values.narrow(0, 0, layers),
            None if self.by_distance is None else self.by_distance.narrow(0, 0, layers),
            None if self.received is None else self.received.narrow(0, 0, layers),
            None if self.flow is None else self.flow.narrow(0, 0, layers),
        )

    def clear(self) -> None:
        """Make all zero again, for other layers."""
        for memory in (self.values, self.by_distance, self.received, self.flow):
            if memory is not None:
                memory.zero_()


def bytes_of_a_layer(shape: tuple[int, int, int], request: RowRequest) -> int:
    """Bytes that one layer's rows of (B, H, N) take, its flow aside."""
    rows = 4 * (len(EVERY_ROW) + (len(TURN_ROWS) if request.turns else 0)) + 8 * (request.turns + request.received)
    return shape[0] * shape[1] * shape[2] * rows


def as_float(sums: Tensor) -> Tensor:
    """Sums over rows as float64 numbers, from whole numbers of `FIXED_POINT` or as they are."""
    return sums.double() * FIXED_POINT if sums.dtype == torch.int64 else sums


def as_fixed(sums: Tensor) -> Tensor:
    """Sums in whole numbers of `FIXED_POINT`."""
    return (sums.double() / FIXED_POINT).round().to(torch.int64)


def flow_of_each(flow: Tensor, turns: Sequence[int]) -> list[Tensor]:
    """Each sequence's part of all sequences' flow, as views (H or 1, T, T + 1); `turns` are their numbers T."""
    single = sum(count * (count + 1) for count in turns)
    depth = len(flow) // max(single, 1)
    parts: Sequence[Tensor] = flow.split([depth * count * (count + 1) for count in turns])  # type: ignore[no-untyped-call]
    return [part.view(depth, count, count + 1) for part, count in zip(parts, turns, strict=True)]
