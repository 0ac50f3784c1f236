"""Which keys each query may see, without an N x N matrix where none is needed.

In almost every family the keys that one query sees are a single run: all up to itself, the last w of them, a chunk, or
the whole sequence. Then two integers a row describe the mask, whatever the padding, and every expectation under uniform
attention has a closed form. Where some row's keys are not one run, the matrix is kept and used.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.masking_utils import (
    and_masks,
    bidirectional_mask_function,
    causal_mask_function,
    sliding_window_bidirectional_overlay,
    sliding_window_overlay,
)

from attention.errors import FamilyNotProven

BLOCK_ELEMENTS = 1 << 22


@dataclass(frozen=True, slots=True, eq=False)
class VisibleKeys:
    """The keys that each query of one sequence of n tokens may see; positions count from the sequence's first token.

    Query i sees keys first[i] <= j < last[i] (none where they are equal), all of them unless `seen` (n, n) is given,
    which then says which. `start` is the first token's place in the padded row.
    """

    start: int
    first: NDArray[np.int32]
    last: NDArray[np.int32]
    seen: NDArray[np.bool_] | None = None

    @property
    def tokens(self) -> int:
        return len(self.first)

    def matrix(self) -> NDArray[np.bool_]:
        """The same as an (n, n) matrix."""
        if self.seen is not None:
            return self.seen
        keys = np.arange(self.tokens, dtype=np.int32)
        return np.asarray((keys >= self.first[:, None]) & (keys < self.last[:, None]))


@dataclass(frozen=True, slots=True)
class Reach:
    """How far every query sees: `before` keys before itself and `after` keys after, None to the sequence's end."""

    before: int | None
    after: int | None

    def bounds(self, length: Tensor, tokens: int) -> tuple[Tensor, Tensor]:
        """First visible key and one past the last for sequences of `length` (B,) in rows of `tokens`. (B, N), int32"""
        place = torch.arange(tokens, dtype=torch.int32, device=length.device)
        ends = length.unsqueeze(1)  # (B, 1)
        if self.before is None:
            first = torch.zeros_like(place).expand(len(length), -1)
        else:
            first = (place - self.before).clamp(min=0).expand(len(length), -1)
        last = ends.expand(-1, tokens) if self.after is None else torch.minimum(place + (self.after + 1), ends)
        real = place < ends
        return torch.where(real, first, 0).contiguous(), torch.where(real, last, 0).contiguous()

    def visible_keys(self, start: int, tokens: int) -> VisibleKeys:
        """Of one sequence, whose first token stands at `start` of its padded row."""
        first, last = (bound[0].numpy() for bound in self.bounds(torch.tensor([tokens], dtype=torch.int32), tokens))
        return VisibleKeys(start, first, last)


CAUSAL: Final = Reach(None, 0)
"""Each query sees itself and all before it."""
BIDIRECTIONAL: Final = Reach(None, None)
"""Each query sees the whole sequence."""


@dataclass(frozen=True, slots=True, eq=False)
class MaskRule:
    """A mask as transformers describes it, not yet evaluated: `function(batch, head, query, key)` gives booleans.

    Passed through the network in place of a mask tensor. `padding` (B, N) is true for real tokens.
    """

    function: Callable[..., Tensor]
    padding: Tensor | None
    by_element: bool
    device: torch.device

    def __getitem__(self, part: Any) -> "MaskRule":
        """The rule itself for the whole of its rows, which is all that may be taken of it: (B, 1, N, N) as indices."""
        whole = slice(0, 2**31, 1)
        parts = part if isinstance(part, tuple) else (part,)
        if not all(isinstance(each, slice) and slice(*each.indices(2**31)) == whole for each in parts):
            raise FamilyNotProven("the model takes parts of its own mask, which is not measured")
        return self

    def read(self, spans: Sequence[tuple[int, int]]) -> Reach | tuple[VisibleKeys, ...]:
        """What it says of sequences whose real tokens stand at [start, stop) of their padded rows.

        Rules that are known are not evaluated, which takes time that grows with the square of the tokens.
        """
        known = known_reach(self.function)
        if known is not None:
            return known
        return tuple(self._one(index, start, stop) for index, (start, stop) in enumerate(spans))

    def _one(self, index: int, start: int, stop: int) -> VisibleKeys:
        def block(low: int, high: int) -> Tensor:
            batch = torch.tensor([index], device=self.device)
            head = torch.zeros(1, dtype=torch.long, device=self.device)
            query = torch.arange(start + low, start + high, device=self.device)
            key = torch.arange(start, stop, device=self.device)
            if self.by_element:
                function = self.function
                for dims in (
                    (None, None, None, 0),
                    (None, None, 0, None),
                    (None, 0, None, None),
                    (0, None, None, None),
                ):
                    function = torch.vmap(function, in_dims=dims, out_dims=0)
                seen = function(batch, head, query, key)
            else:
                seen = self.function(
                    batch[:, None, None, None],
                    head[None, :, None, None],
                    query[None, None, :, None],
                    key[None, None, None, :],
                )
            return seen.expand(1, 1, high - low, stop - start)[0, 0]

        return _from_blocks(block, start, stop - start)


def known_reach(function: Callable[..., Tensor]) -> Reach | None:
    """The reach that one of transformers' own mask functions describes; None for any other function."""
    if function is causal_mask_function:
        return CAUSAL
    if function is bidirectional_mask_function:
        return BIDIRECTIONAL
    held = _closure(function)
    made_by = getattr(function, "__code__", None)
    if made_by is _OVERLAY:  # keys after i - window
        return Reach(held["sliding_window"] - 1, None)
    if made_by is _BOTH_WAYS:
        return Reach(held["sliding_window"], held["sliding_window"])
    if made_by is _ALL_OF:
        parts = [known_reach(part) for part in held["mask_functions"]]
        if all(part is not None for part in parts):
            return Reach(_least(part.before for part in parts), _least(part.after for part in parts))  # type: ignore[union-attr]
    return None


def _least(reaches: Iterable[int | None]) -> int | None:
    return min((reach for reach in reaches if reach is not None), default=None)


def _closure(function: Callable[..., Tensor]) -> dict[str, Any]:
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    return dict(zip(names, (cell.cell_contents for cell in getattr(function, "__closure__", None) or ()), strict=True))


_OVERLAY: Final = sliding_window_overlay(1).__code__
_BOTH_WAYS: Final = sliding_window_bidirectional_overlay(1).__code__
_ALL_OF: Final = and_masks(causal_mask_function).__code__


def causal(spans: Sequence[tuple[int, int]]) -> tuple[VisibleKeys, ...]:
    """Each query sees itself and all before it."""
    return tuple(CAUSAL.visible_keys(start, stop - start) for start, stop in spans)


def bidirectional(spans: Sequence[tuple[int, int]]) -> tuple[VisibleKeys, ...]:
    """Each query sees the whole sequence."""
    return tuple(BIDIRECTIONAL.visible_keys(start, stop - start) for start, stop in spans)


def from_mask(mask: Tensor, spans: Sequence[tuple[int, int]]) -> tuple[VisibleKeys, ...]:
    """Read a boolean mask (B or 1, 1, N, N), true where a query sees a key; every head must see the same."""
    found = []
    for index, (start, stop) in enumerate(spans):
        item = mask[index if mask.shape[0] > 1 else 0, 0, start:stop, start:stop]
        found.append(_from_blocks(lambda low, high, item=item: item[low:high], start, stop - start))  # type: ignore[misc]
    return tuple(found)


def _from_blocks(block: Callable[[int, int], Tensor], start: int, tokens: int) -> VisibleKeys:
    first = np.zeros(tokens, np.int32)
    last = np.zeros(tokens, np.int32)
    whole = True
    step = max(1, BLOCK_ELEMENTS // max(1, tokens))
    for low in range(0, tokens, step):
        high = min(tokens, low + step)
        seen = block(low, high).to(torch.uint8)  # (R, n)
        count = seen.sum(-1, dtype=torch.int32)
        begin = seen.argmax(-1).to(torch.int32)
        end = (tokens - seen.flip(-1).argmax(-1)).to(torch.int32)
        blind = count == 0
        begin[blind] = 0
        end[blind] = 0
        whole = whole and bool((end - begin == count).all())
        first[low:high] = begin.cpu().numpy()
        last[low:high] = end.cpu().numpy()
    if whole:
        return VisibleKeys(start, first, last)
    seen_all = np.concatenate(
        [block(low, min(tokens, low + step)).to(torch.bool).cpu().numpy() for low in range(0, tokens, step)]
    )
    return VisibleKeys(start, first, last, seen_all)
