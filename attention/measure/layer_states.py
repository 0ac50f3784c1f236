"""Sums of the hidden states that each layer gives, taken during the pass, for layer embeddings.

Asking the network for all its hidden states would keep every layer's until the pass ends, which for a large model is
more than the attention itself takes. Here each layer's are summed and dropped.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def depth_of(network: Any) -> int:
    """How many layers a network has, whether they attend or not."""
    return int(network.config.get_text_config().num_hidden_layers)


def blocks_of(network: Any) -> list[nn.Module]:
    """The network's layers in order; none where they are no list of modules, as where one layer is used many times."""
    count = depth_of(network)
    lists = (part for part in network.modules() if isinstance(part, nn.ModuleList) and len(part) == count)
    return list(next(lists, ()))  # the outermost list: `modules` goes from the whole to its parts


@contextmanager
def watched(network: Any, take: Callable[[int, Tensor], None]) -> Iterator[None]:
    """Call `take` with each layer's number and states (B, N, d) in this thread's passes, while the context lasts.

    The last layer's states are those before the network's final norm, unlike those that the network itself gives.
    """
    thread = threading.get_ident()

    def hook(layer: int) -> Callable[..., None]:
        def left(_block: nn.Module, _given: Any, states: Any) -> None:
            if threading.get_ident() == thread:
                take(layer, states if isinstance(states, Tensor) else states[0])

        return left

    handles = [block.register_forward_hook(hook(index)) for index, block in enumerate(blocks_of(network))]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class LayerSums:
    """Sums of the states of `layers`, taken one layer after the other by `summed`.

    The last layer's states are those after the final norm, as in transformers: `finish` is given them.
    """

    def __init__(self, layers: Sequence[int], summed: Callable[[Tensor], Tensor], last: int) -> None:
        self.layers = tuple(layers)
        self._summed = summed
        self._last = last
        self._sums: dict[int, Tensor] = {}

    def take(self, layer: int, states: Tensor) -> None:
        """Add up one layer's states (B, N, d)."""
        if layer in self.layers and layer != self._last:
            self._sums[layer] = self._summed(states)

    def finish(self, hidden: Tensor) -> Tensor | None:
        """All sums in the order of `layers`, with those of the network's output (B, N, d): (L, ...).

        None where a layer did not report.
        """
        if self._last in self.layers:
            self._sums[self._last] = self._summed(hidden)
        if any(layer not in self._sums for layer in self.layers):
            return None
        return torch.stack([self._sums[layer].to(hidden.device) for layer in self.layers])
