"""Networks of real shapes with random weights, captured and plain."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import transformers

from attention.hook.attention_function import CAPTURE
from attention.kernels import kernel_name
from attention.model.model import Model, ModelFacts, ModelSource
from attention.text.documents import Window
from benchmarks.gpu.device import DEVICE, DTYPE, ON_GPU

TINY = {
    "vocab_size": 1000,
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 512,
}
MINILM = {
    "vocab_size": 30522,
    "hidden_size": 384,
    "intermediate_size": 1536,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "max_position_embeddings": 512,
}
LLAMAS = {
    "Llama 8B": (128256, 4096, 14336, 32, 32, 8),
    "Llama 1B": (128256, 2048, 8192, 16, 32, 8),
    "Llama 135M": (49152, 576, 1536, 30, 9, 3),
}
"""Vocabulary, width, width within, layers, query heads, key heads."""


def minilm(layers: int = 6) -> Model:
    """The shape of all-MiniLM-L6-v2."""
    return network_of(transformers.BertConfig(**((MINILM | {"num_hidden_layers": layers}) if ON_GPU else TINY)))


def llama(name: str) -> Model:
    """One of the shapes of `LLAMAS`."""
    vocabulary, hidden, inner, layers, count, shared = LLAMAS[name]
    shape = {
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": count,
        "num_key_value_heads": shared,
        "max_position_embeddings": 131072,
    }
    return network_of(transformers.LlamaConfig(**(shape if ON_GPU else TINY | {"num_key_value_heads": 1})))


def network_of(config: Any, dtype: torch.dtype = DTYPE) -> Model:
    """A network of a configuration on the device, with random weights of one seed."""
    torch.manual_seed(0)
    with torch.device(DEVICE):
        torch.set_default_dtype(dtype)
        network = transformers.AutoModel.from_config(config, attn_implementation=CAPTURE)
        torch.set_default_dtype(torch.float32)
    layers = config.num_hidden_layers
    facts = ModelFacts(
        architecture=config.model_type,
        revision="random",
        weights_sha256="0" * 64,
        layers=layers,
        attending_layers=tuple(range(layers)),
        heads=config.num_attention_heads,
        key_value_heads=getattr(config, "num_key_value_heads", config.num_attention_heads),
        head_size=getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
        hidden_size=config.hidden_size,
        context=config.max_position_embeddings,
        causal=config.model_type != "bert",
        parameters=0,
        dtype=str(dtype).removeprefix("torch."),
        device=str(DEVICE),
        kernel=kernel_name(DEVICE),
        vocabulary=config.vocab_size,
    )
    tokenizer: Any = None
    return Model(ModelSource("random"), facts, tokenizer, network.eval().requires_grad_(False))


def plain_forward(model: Model, windows: Sequence[Window]) -> None:
    """The same pass without capture, with PyTorch's own attention."""
    longest = max(map(len, windows))
    ids = np.zeros((len(windows), longest), np.int64)
    real = np.zeros_like(ids)
    for row, window in enumerate(windows):
        ids[row, : len(window)] = window.ids
        real[row, : len(window)] = 1
    network: Any = model.network
    options = {"use_cache": False} if hasattr(network.config, "num_key_value_heads") else {}
    network.config._attn_implementation = "sdpa"
    with torch.inference_mode():
        there = (torch.from_numpy(array).to(DEVICE) for array in (ids, real))
        network(**dict(zip(("input_ids", "attention_mask"), there, strict=True)), **options)
    network.config._attn_implementation = CAPTURE
