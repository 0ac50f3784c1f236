"""GGUF files of families that change weights on the way, by the format's own list of names, as its converters do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from gguf_files import add_tensor, write_vocabulary
from numpy.typing import NDArray

PREFIXES = ("model.", "transformer.", "")
TURNED = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
"""GPT-2's matrices, which its network keeps on their side."""


def write_family(file: Path, network: Any, architecture: str, **settings: Any) -> Path:
    """Write a network in fp32 with what its family's converter says of it; `settings` are those of the family alone."""
    config = network.config
    key_heads = getattr(config, "num_key_value_heads", config.num_attention_heads)
    if architecture == "lfm2":
        key_heads = [key_heads if kind == "full_attention" else 0 for kind in config.layer_types]
    writer = gguf.GGUFWriter(file, architecture)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(getattr(config, "intermediate_size", None) or config.n_inner)
    writer.add_head_count(config.num_attention_heads)
    if architecture == "gpt2":
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
    else:
        writer.add_head_count_kv(key_heads)
        writer.add_layer_norm_rms_eps(getattr(config, "rms_norm_eps", None) or config.norm_eps)
    write_vocabulary(writer, "gpt-2")
    for name, value in settings.items():
        add = {str: writer.add_string, float: writer.add_float32}.get(type(value), writer.add_uint32)
        add(f"{architecture}.{name.replace('__', '.')}", value)
    for name, values in _tensors(network, architecture):
        add_tensor(writer, name, values, "F32")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def with_uneven_norms(network: Any) -> Any:
    """The network with every vector changed at random, so that one left as it was drawn would show."""
    chance = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in network.parameters():
            if weight.ndim == 1:
                weight.add_(0.1 * torch.randn(weight.shape, generator=chance))
    return network


def _tensors(network: Any, architecture: str) -> Iterator[tuple[str, NDArray[np.float32]]]:
    key = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    names = gguf.get_tensor_name_map(key, network.config.num_hidden_layers)
    for own, weight in network.state_dict().items():
        values = weight.float().numpy()
        if own.endswith(("experts.gate_up_proj", "experts.down_proj")):
            yield from _experts(own, values)
            continue
        found = (names.get_name(prefix + own, try_suffixes=(".weight", ".bias")) for prefix in PREFIXES)
        yield next(filter(None, found)), _changed(own, values, architecture)


def _experts(own: str, values: NDArray[np.float32]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    layer = own.split(".")[1]
    if own.endswith("down_proj"):
        yield f"blk.{layer}.ffn_down_exps.weight", values
        return
    gate, up = np.split(values, 2, axis=1)
    yield f"blk.{layer}.ffn_gate_exps.weight", gate
    yield f"blk.{layer}.ffn_up_exps.weight", up


def _changed(own: str, values: NDArray[np.float32], architecture: str) -> NDArray[np.float32]:
    if architecture in ("gemma2", "gemma3") and "norm.weight" in own:
        return values + 1
    if architecture == "gpt2" and own.endswith(TURNED):
        return values.T
    if own.endswith("conv.conv.weight"):
        return values[:, 0]
    return values[0] if own.endswith("shared_expert_gate.weight") else values
