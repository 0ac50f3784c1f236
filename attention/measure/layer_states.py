"""The hidden states that leave each layer, summed as they pass: what layer embeddings are made of.

Asking the network for all its hidden states would keep every layer's until the pass ends, which for a large model is
more than the attention itself takes. Here each layer's are summed and let go.
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
    """The network's layers in their order; none where they stand in no list of their own, as where one is shared."""
    count = depth_of(network)
    lists = (part for part in network.modules() if isinstance(part, nn.ModuleList) and len(part) == count)
    return list(next(lists, ()))  # the outermost list: `modules` goes from the whole to its parts


@contextmanager
def watched(network: Any, take: Callable[[int, Tensor], None]) -> Iterator[None]:
    """Hand on the number and the states (B, N, d) of each layer in this thread's passes, while the context lasts.

    The states of the last layer are those after the network's final norm only in its own output; here they are before.
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
    """Sums of layers' states over each window's own tokens: (L, B, d) in float64, for the layers asked for.

    The last layer's states are taken as transformers counts them, after the final norm: `finish` is given those.
    """

    def __init__(self, layers: Sequence[int], own: Sequence[Tensor], last: int) -> None:
        self.layers = tuple(layers)
        self._own = own  # (n,) of each window: true for the tokens that count
        self._last = last
        self._sums: dict[int, Tensor] = {}

    def take(self, layer: int, states: Tensor) -> None:
        """Add up one layer's states (B, N, d)."""
        if layer in self.layers and layer != self._last:
            self._sums[layer] = self._summed(states)

    def finish(self, hidden: Tensor) -> Tensor | None:
        """All sums in the order of the layers, with the network's output (B, N, d); None where a layer was not met."""
        if self._last in self.layers:
            self._sums[self._last] = self._summed(hidden)
        if any(layer not in self._sums for layer in self.layers):
            return None
        return torch.stack([self._sums[layer].cpu() for layer in self.layers])

    def _summed(self, states: Tensor) -> Tensor:
        return torch.stack([states[index, : len(own)][own].double().sum(0) for index, own in enumerate(self._own)])
