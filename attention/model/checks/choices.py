"""What a network chose in one pass, chosen again in another.

A router that takes the best few of its experts turns the last bit of two nearly equal scores into another expert, and
so into another number everywhere behind it. Passes that are compared to the rounding choose alike.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, ops
from torch.utils._python_dispatch import TorchDispatchMode

Chosen = list[Tensor]
"""The places that each `topk` of a pass over one sequence took, in their order: (n, k) each."""


@contextmanager
def remembered() -> Iterator[Chosen]:
    """Remember what is chosen in a pass over one sequence."""
    chosen: Chosen = []
    with _Remembering(chosen):
        yield chosen


@contextmanager
def repeated(chosen: Sequence[Chosen]) -> Iterator[None]:
    """Choose for the tokens of each sequence of a batch, padded on the right, what was chosen in a pass over it.

    What lies beyond a sequence, and a choice that is none of tokens, is left as it is.
    """
    with _Repeating(chosen):
        yield


class _Remembering(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, chosen: Chosen) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._chosen = chosen

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        found = func(*args, **(kwargs or {}))
        if func is ops.aten.topk.default:
            self._chosen.append(found[1].flatten(0, -2))
        return found


class _Repeating(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, chosen: Sequence[Chosen]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._chosen = [iter(each) for each in chosen]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        found = func(*args, **(kwargs or {}))
        if func is not ops.aten.topk.default:
            return found
        before = [next(each, None) for each in self._chosen]
        scores, (_, places) = args[0], found
        rows, sequences = places.flatten(0, -2).clone(), len(before)
        if len(rows) % sequences:
            return found
        of_sequence = rows.view(sequences, len(rows) // sequences, -1)
        for own, earlier in zip(of_sequence, before, strict=True):
            if earlier is None or len(earlier) > len(own) or earlier.shape[1:] != own.shape[1:]:
                return found
            own[: len(earlier)] = earlier
        places = rows.view(places.shape)
        return scores.gather(-1, places), places
