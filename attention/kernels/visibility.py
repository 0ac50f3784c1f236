"""Which keys each query may see, without an N x N matrix where none is needed.

In almost every family the keys that one query sees are a single run: all up to itself, the last w of them, a chunk, or
the whole sequence. Then two integers a row describe the mask, whatever the padding, and every expectation under uniform
attention has a closed form. Where some row's keys are not one run, the matrix is kept and used.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.masking_utils import bidirectional_mask_function, causal_mask_function

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


@dataclass(frozen=True, slots=True, eq=False)
class MaskRule:
    """A mask as transformers describes it, not yet evaluated: `function(batch, head, query, key)` gives booleans.

    Passed through the network in place of a mask tensor. `padding` (B, N) is true for real tokens.
    """

    function: Callable[..., Tensor]
    padding: Tensor | None
    by_element: bool
    device: torch.device

    def visible_keys(self, spans: Sequence[tuple[int, int]]) -> tuple[VisibleKeys, ...]:
        """Evaluate for sequences whose real tokens stand at [start, stop) of their padded rows."""
        if self.function is causal_mask_function:
            return causal(spans)
        if self.function is bidirectional_mask_function:
            return bidirectional(spans)
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


def causal(spans: Sequence[tuple[int, int]]) -> tuple[VisibleKeys, ...]:
    """Each query sees itself and all before it."""
    return tuple(
        VisibleKeys(start, np.zeros(stop - start, np.int32), np.arange(1, stop - start + 1, dtype=np.int32))
        for start, stop in spans
    )


def bidirectional(spans: Sequence[tuple[int, int]]) -> tuple[VisibleKeys, ...]:
    """Each query sees the whole sequence."""
    return tuple(
        VisibleKeys(start, np.zeros(stop - start, np.int32), np.full(stop - start, stop - start, np.int32))
        for start, stop in spans
    )


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
