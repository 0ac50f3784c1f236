"""The networks that are timed: a Llama of 135 million parameters with random weights, and the packaged MiniLM."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from attention.hook.attention_function import CAPTURE
from attention.kernels import kernel_name
from attention.model.loading import open_model
from attention.model.model import Model, ModelFacts, ModelSource
from attention.model.source.packaged import packaged_minilm
from attention.text.documents import Window

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing here is fetched


@dataclass(frozen=True)
class Trio:
    """One network three times with the same weights: captured, with plain SDPA, and eager."""

    name: str
    model: Model
    plain: nn.Module
    eager: nn.Module


def llama(layers: int = 30) -> Trio:
    """576 wide, 30 layers, 9 query heads on 3 key heads: the shape of a small Llama; seeded random weights, fp32."""
    import transformers

    def build(implementation: str, state: dict[str, Any] | None) -> Any:
        torch.manual_seed(0)
        config = transformers.LlamaConfig(
            vocab_size=49152,
            head_size=64,
            hidden_size=576,
            intermediate_size=1536,
            num_hidden_layers=layers,
            num_attention_heads=9,
            num_key_value_heads=3,
            max_position_embeddings=32768,
        )
        network = transformers.AutoModel.from_config(config, attn_implementation=implementation).eval()
        if state is not None:
            network.load_state_dict(state, assign=True)  # the three share their weights
        return network.requires_grad_(False)

    captured = build(CAPTURE, None)
    state = captured.state_dict()
    facts = ModelFacts(
        architecture="llama",
        revision="random",
        weights_sha256="0" * 64,
        layers=layers,
        attending_layers=tuple(range(layers)),
        heads=9,
        key_value_heads=3,
        head_size=64,
        hidden_size=576,
        context=32768,
        causal=True,
        parameters=sum(weight.numel() for weight in captured.parameters()),
        dtype="float32",
        device="cpu",
        kernel=kernel_name(torch.device("cpu")),
        vocabulary=49152,
    )
    tokenizer: Any = None
    model = Model(ModelSource("llama-135m"), facts, tokenizer, captured)
    return Trio("Llama 135M", model, build("sdpa", state), build("eager", state))


def minilm() -> Trio:
    """The packaged all-MiniLM-L6-v2."""
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    source = packaged_minilm()
    model = open_model(source)

    def build(implementation: str) -> Any:
        network = transformers.AutoModel.from_pretrained(
            source.path, attn_implementation=implementation, add_pooling_layer=False, local_files_only=True
        )
        return network.eval().requires_grad_(False)

    return Trio("MiniLM", model, build("sdpa"), build("eager"))


def words(tokens: int, vocabulary: int, seed: int = 0) -> Window:
    """A text of random tokens."""
    rng = np.random.default_rng(seed)
    nothing = np.full(tokens, -1, np.int32)
    special = np.zeros(tokens, np.bool_)
    special[0] = True
    return Window(rng.integers(10, vocabulary, tokens), nothing, nothing, special, special)


def talk(tokens: int, vocabulary: int, *, turn_tokens: int = 20, speakers: int = 3, seed: int = 0) -> Window:
    """A conversation of random tokens in turns of equal length, with three tokens of scaffold before each."""
    rng = np.random.default_rng(seed)
    place = np.arange(tokens) - 1  # after the one special token
    special = place < 0
    turn = np.where((place >= 0) & (place % turn_tokens >= 3), place // turn_tokens, -1).astype(np.int32)
    speaker = np.where(turn >= 0, turn % speakers, -1).astype(np.int32)
    return Window(rng.integers(10, vocabulary, tokens), turn, speaker, turn < 0, special)


def forward(network: Any, windows: Sequence[Window], *, maps: bool = False) -> Any:
    """A plain forward pass over right-padded windows."""
    longest = max(len(window) for window in windows)
    ids = torch.zeros(len(windows), longest, dtype=torch.long)
    real = torch.zeros_like(ids)
    for row, window in enumerate(windows):
        ids[row, : len(window)] = torch.from_numpy(window.ids)
        real[row, : len(window)] = 1
    options = {"use_cache": False} if hasattr(network.config, "num_key_value_heads") else {}
    with torch.inference_mode():
        return network(input_ids=ids, attention_mask=real, output_attentions=maps, **options)
