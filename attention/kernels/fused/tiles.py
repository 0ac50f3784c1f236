"""How large the tiles of each pass are, and how they are compiled: the one table to tune."""

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

GROUP_TILE: Final = 64
"""Keys at whose multiples groups of keys of texts end: a multiple of the keys that the row pass takes at a time."""


@dataclass(frozen=True, slots=True)
class Tile:
    """Rows and columns of the scores that are taken at a time, warps, stages of the pipeline of loads, registers."""

    rows: int
    columns: int
    warps: int
    stages: int
    registers: int | None = None

    def options(self) -> dict[str, Any]:
        """For the compiler."""
        chosen: dict[str, Any] = {"num_warps": self.warps, "num_stages": self.stages}
        return chosen if self.registers is None else chosen | {"maxnreg": self.registers}


_NARROW: Final = {
    "output": Tile(64, 64, warps=4, stages=3),
    "rows": Tile(64, 32, warps=4, stages=2, registers=128),
    "diagonals": Tile(64, 64, warps=4, stages=2),
    "columns": Tile(64, 64, warps=4, stages=2),
}
_USUAL: Final = {
    "output": Tile(128, 64, warps=8, stages=3),
    "rows": Tile(64, 64, warps=4, stages=2, registers=168),
    "diagonals": Tile(128, 128, warps=8, stages=2),
    "columns": Tile(64, 64, warps=4, stages=3),
}
_WIDE: Final = {
    "output": Tile(64, 32, warps=4, stages=2),
    "rows": Tile(64, 32, warps=4, stages=2),
    "diagonals": Tile(64, 64, warps=8, stages=2),
    "columns": Tile(64, 32, warps=4, stages=2),
}
_SINGLE: Final = Tile(32, 32, warps=4, stages=1)
_SINGLE_USUAL: Final = Tile(32, 32, warps=8, stages=1)
WIDEST_SINGLE: Final = 128
"""Heads of fp32 that are wider do not fit into registers, whatever the tile."""
_INTERPRETED: Final = Tile(16, 16, warps=4, stages=1)


def tile_of(kind: str, query: Tensor, width: int, *, both_ways: bool) -> Tile:
    """The tile of a pass (`output`, `rows`, `diagonals`, `columns`) for heads of `width`.

    Queries that see `both_ways` are an encoder's, and narrow heads a small model's: their sequences are short. The
    choice is the same for all sequences of a model, whatever stands beside them: another tile gives other bytes.
    """
    if query.device.type == "cpu":
        return _INTERPRETED
    if query.dtype == torch.float32:
        return _SINGLE if width <= 64 else _SINGLE_USUAL
    if width > 128:
        return _WIDE[kind]
    return (_NARROW if both_ways or width <= 64 else _USUAL)[kind]
