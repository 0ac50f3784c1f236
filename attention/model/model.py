"""What a model is: where it comes from, the facts of it, and the opened network with its tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from attention.text.tokens import FastTokenizer


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where a model comes from and how it is to run: one entry of the models file.

    Either `path`, a folder, or `hub`, an `owner/name` with the commit as `revision`. `sha256` is what the weights must
    hash to. `device` is `auto` (the GPU if there is one), `cpu`, `cuda` or `cuda:1`. With `untrained_seed` the network
    has random weights drawn by that seed instead of those in the files.
    """

    id: str
    path: Path | None = None
    hub: str | None = None
    revision: str | None = None
    dtype: str = "float32"
    device: str = "auto"
    max_tokens: int | None = None
    sha256: str | None = None
    untrained_seed: int | None = None


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What an opened model is. `layers` counts those that attend; `attending_layers` are their indices in the network.

    `context` is the longest window in tokens, special tokens included: the network's own positions, or `max_tokens`
    where that is less.
    """

    architecture: str
    revision: str
    weights_sha256: str
    layers: int
    attending_layers: tuple[int, ...]
    heads: int
    key_value_heads: int
    hidden_size: int
    context: int
    causal: bool
    parameters: int
    dtype: str
    device: str
    kernel: str  # what measures attention: compiled-avx2, fused, blocked (`kernels.kernel_name`)
    vocabulary: int
    special_tokens: int = 0  # that the tokenizer puts around every window


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """An opened model: a network in evaluation mode with the capturing attention, and its fast tokenizer."""

    source: ModelSource
    facts: ModelFacts
    tokenizer: FastTokenizer
    network: nn.Module
