"""What the passes read beside the layout's own tables, made once a layout by whole arrays."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attention.kernels.fused.tiles import GROUP_TILE
from attention.kernels.groups import SCAFFOLD_COLUMN, BatchGroups
from attention.kernels.layout import Layout
from attention.kernels.transfer import uploaded

SLOTS: Final = 16
"""Columns of the product that gives masses by turn: scaffold, and up to 15 turns."""
TURNS: Final = SLOTS - 1


@dataclass(frozen=True, slots=True, eq=False)
class KeyTables:
    """The keys of a batch in groups of neighbours.

    `groups` (G, 4): first key, end of what needs no mask, one past the last key, the turn of slot 1; `offset` (B + 1,)
    into them. `one_hot` (B N, 16) fp16: each key's slot, 0 for scaffold, and some rows more, so that a tile may be
    read beyond the last sequence's end; None without turns.
    """

    groups: Tensor
    offset: Tensor
    one_hot: Tensor | None


def key_tables(layout: Layout, device: torch.device, *, turns: bool) -> KeyTables:
    """For the row pass with masses by turn, or without."""
    return layout.once((__name__, device, turns), lambda: _key_tables(layout, device, turns))


def _key_tables(layout: Layout, device: torch.device, turns: bool) -> KeyTables:
    made = _groups_of_turns(layout.groups) if turns else _groups_of_text(layout.groups)
    sequence, groups = made[:, 0], made[:, 1:]
    offset = np.searchsorted(sequence, np.arange(layout.groups.sequences + 1))
    tables = uploaded({"groups": groups, "offset": offset}, device)
    one_hot = None
    if turns:
        given = layout.tables(device)
        own = given["query_turn"]
        scaffold = torch.where(given["column"] == SCAFFOLD_COLUMN, 0, -1)
        slot = torch.where(own >= 0, own % TURNS + 1, scaffold)
        beyond = torch.nn.functional.pad(slot.flatten(), (0, GROUP_TILE), value=-1)
        one_hot = (beyond.unsqueeze(1) == torch.arange(SLOTS, device=device)).to(torch.float16)
    return KeyTables(tables["groups"], tables["offset"], one_hot)


def _groups_of_turns(groups: BatchGroups) -> NDArray[np.int64]:
    """Stretches of keys whose content is of turns of the same fifteen. (G, 5): sequence, then the group."""
    sequence, begin, _, column = groups.runs[groups.runs[:, 3] > SCAFFOLD_COLUMN].T.astype(np.int64)
    fifteen = (column - 1) // TURNS
    starts = np.ones(len(sequence), np.bool_)
    starts[1:] = (sequence[1:] != sequence[:-1]) | (fifteen[1:] != fifteen[:-1])
    first_of = np.ones(len(sequence), np.bool_)
    first_of[1:] = sequence[1:] != sequence[:-1]
    begin = np.where(first_of, 0, begin)
    silent = np.flatnonzero(np.bincount(sequence, minlength=groups.sequences) == 0)
    sequence = np.concatenate([sequence[starts], silent])
    begin = np.concatenate([begin[starts], np.zeros(len(silent), np.int64)])
    turn = np.concatenate([fifteen[starts] * TURNS, np.zeros(len(silent), np.int64)])
    order = np.lexsort((begin, sequence))
    return _closed(groups, sequence[order], begin[order], turn[order])


def _closed(
    groups: BatchGroups, sequence: NDArray[np.int64], begin: NDArray[np.int64], turn: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Each group ends where the next of its sequence begins."""
    end = groups.length.astype(np.int64)[sequence]
    same = sequence[1:] == sequence[:-1]
    end[:-1] = np.where(same, begin[1:], end[:-1])
    return np.stack([sequence, begin, end, end, turn], 1)


def _groups_of_text(groups: BatchGroups) -> NDArray[np.int64]:
    """A tile of keys that holds scaffold ends a group and needs a mask, so that the others are free of it. (G, 5)

    Tiles begin at key 1, as key 0 stands apart.
    """
    row, place = np.nonzero(groups.column[:, 1:] == SCAFFOLD_COLUMN)
    tiles = -(-groups.tokens // GROUP_TILE)
    held = np.unique(row * tiles + place // GROUP_TILE)  # places count from key 1
    row, tile = held // max(tiles, 1), held % max(tiles, 1)
    length = groups.length.astype(np.int64)
    every = np.arange(groups.sequences)
    sequence = np.concatenate([row, every])
    end = np.concatenate([np.minimum((tile + 1) * GROUP_TILE + 1, length[row]), length])
    free = np.concatenate([tile * GROUP_TILE + 1, length])
    order = np.lexsort((free, end, sequence))
    sequence, end, free = sequence[order], end[order], free[order]
    begin = np.zeros_like(end)
    begin[1:] = np.where(sequence[1:] == sequence[:-1], end[:-1], 0)
    return np.stack([sequence, begin, free, end, np.zeros_like(end)], 1)
