"""A batch under one mask, as kernels read it: made once for all layers that share the mask, uploaded once."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attention.kernels.groups import SCAFFOLD_COLUMN, BatchGroups, KeyGroups
from attention.kernels.transfer import uploaded
from attention.kernels.visibility import Reach, VisibleKeys

Made = TypeVar("Made")


class Layout:
    """The sequences of a pass, the groups of their tokens, and the keys that each query may see under one mask.

    `mask` says the latter: a reach that is the same for all queries, or each sequence's own visible keys.
    """

    def __init__(self, groups: BatchGroups, mask: Reach | Sequence[VisibleKeys]) -> None:
        self.groups = groups
        self.reach = mask if isinstance(mask, Reach) else None
        self._visible = None if isinstance(mask, Reach) else tuple(mask)
        self._made: dict[tuple[object, ...], object] = {}

    @classmethod
    def of(cls, visible: Sequence[VisibleKeys], groups: Sequence[KeyGroups], tokens: int) -> "Layout":
        """From each sequence's visible keys and groups."""
        spans = [(each.start, each.start + each.tokens) for each in visible]
        return cls(BatchGroups.of(spans, groups, tokens), visible)

    @cached_property
    def visible_keys(self) -> tuple[VisibleKeys, ...]:
        """Each sequence's own, for what takes one sequence after the other."""
        if self._visible is not None:
            return self._visible
        assert self.reach is not None
        starts, lengths = self.groups.start.tolist(), self.groups.length.tolist()
        return tuple(self.reach.visible_keys(start, length) for start, length in zip(starts, lengths, strict=True))

    @property
    def has_holes(self) -> bool:
        """Whether the visible keys of some query are not one run."""
        return self._visible is not None and any(each.seen is not None for each in self._visible)

    @cached_property
    def is_right_padded(self) -> bool:
        """Whether every sequence begins at its row's beginning."""
        return not self.groups.start.any()

    @cached_property
    def both_ways(self) -> bool:
        """Whether some query may see keys that come after it."""
        if self.reach is not None:
            return self.reach.after != 0
        place = np.arange(1, self.groups.tokens + 1)
        return any(bool((each.last > place[: each.tokens]).any()) for each in self.visible_keys)

    @cached_property
    def _bounds(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """First visible key of each query, and one past the last. (B, N) each"""
        first, last = np.zeros((2, self.groups.sequences, self.groups.tokens), np.int32)
        for row, each in enumerate(self.visible_keys):
            first[row, : each.tokens], last[row, : each.tokens] = each.first, each.last
        return first, last

    def tables(self, device: torch.device) -> Mapping[str, Tensor]:
        """The tables that kernels read, int32 on `device`.

        `start`, `length` (B,); `first`, `last` (B, N) visible keys of each query; `column`, `query_turn` (B, N);
        `turn_offset` (B + 1,), `turn_number`, `turn_speaker` (S,), `turn_rows` (S, 4), `flow_offset` (B + 1,), as in
        `BatchGroups`; and the runs of content `content_runs` (R, 4): first key, one past the last, turn, speaker, with
        `content_offset` (B + 1,) into them.
        """
        return self.once(("tables", device), lambda: self._tables(device))

    def _tables(self, device: torch.device) -> Mapping[str, Tensor]:
        groups = self.groups
        content = groups.runs[groups.runs[:, 3] > SCAFFOLD_COLUMN]  # sequence, first, past the last, column
        sequence, turn = content[:, 0], content[:, 3] - 1
        speaker = groups.turn_speaker[groups.turn_offset[sequence] + turn]
        arrays: dict[str, NDArray[Any]] = {
            "start": groups.start,
            "length": groups.length,
            "column": groups.column,
            "query_turn": groups.query_turn,
            "turn_offset": groups.turn_offset,
            "turn_number": groups.turn_number,
            "turn_speaker": groups.turn_speaker,
            "turn_rows": groups.turn_rows,
            "flow_offset": groups.flow_offset,
            "content_runs": np.stack([content[:, 1], content[:, 2], turn, speaker], 1),
            "content_offset": np.searchsorted(sequence, np.arange(groups.sequences + 1)),
        }
        if self.reach is None:
            arrays["first"], arrays["last"] = self._bounds
        tables = uploaded(arrays, device)
        if self.reach is not None:
            tables["first"], tables["last"] = self.reach.bounds(tables["length"], groups.tokens)
        return tables

    def once(self, key: tuple[object, ...], make: Callable[[], Made]) -> Made:
        """What `make` gives, made at the first call with `key` and kept as long as the layout."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]  # type: ignore[return-value]
