"""What a model is: where it comes from, the facts of it, and the opened network with its tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from attention.text.tokens import FastTokenizer


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where a model comes from and how it is to run: one entry of the models file.

    Either `path`, a folder, or `hub`, an `owner/name` with the commit as `revision`. `gguf` names a file of that folder
    to take the weights from, dequantized to `dtype`; with `kept` once, into that folder. `adapter` is a LoRA to merge
    into the weights: a folder, or a hub name with the commit as `adapter_revision`. `sha256` is what the weights' files
    must hash to. `device` is `auto` (the GPU if there is one), `cpu`, `cuda`, `cuda:1`, or `cuda:0,1` and `all` to
    spread its layers over several. With `untrained_seed` the
    network has random weights drawn by that seed instead of those in the files. `notes` are sentences about the source
    for `ModelFacts`. `proofs` is a folder in which the model's proof is kept, so that it is opened sooner next time.
    """

    id: str
    path: Path | None = None
    hub: str | None = None
    revision: str | None = None
    gguf: str | None = None
    kept: Path | None = None
    proofs: Path | None = None
    adapter: str | None = None
    adapter_revision: str | None = None
    dtype: str = "float32"
    device: str = "auto"
    max_tokens: int | None = None
    sha256: str | None = None
    untrained_seed: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Quantization:
    """The scheme that weights were published in, such as `gptq` or `gguf Q4_1`, and the dtype they are measured in."""

    scheme: str
    dequantized_to: str


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What an opened model is. `layers` counts those that attend; `attending_layers` are their indices in the network.

    `key_value_heads` and `head_size` are the largest where they differ by layer. `context` is the longest window in
    tokens, special tokens included: the network's own positions, or `max_tokens` where that is less.

    `ignored_tensors` are those of the files that have no part in what is measured, `quantization` is the scheme that
    the weights came in and the dtype they were brought to, `adapter` the name of what was merged into them. `notes` are
    sentences about what a reader of its numbers should know.
    """

    architecture: str
    revision: str
    weights_sha256: str
    layers: int
    attending_layers: tuple[int, ...]
    heads: int
    key_value_heads: int
    head_size: int
    hidden_size: int
    context: int
    causal: bool
    parameters: int
    dtype: str
    device: str
    kernel: str  # what measures attention: compiled-avx2, fused, blocked (`kernels.kernel_name`)
    vocabulary: int
    special_tokens: int = 0  # that the tokenizer puts around every window
    ignored_tensors: tuple[str, ...] = ()
    quantization: Quantization | None = None
    adapter: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """An opened model: a network in evaluation mode with the capturing attention, and its fast tokenizer."""

    source: ModelSource
    facts: ModelFacts
    tokenizer: FastTokenizer
    network: nn.Module
