"""What a GGUF file says of its network, held against the configuration that transformers makes of it.

A setting that the reader leaves out would be a default, in silence: each has to be known to be read, to agree, or to
have no part in what is measured.
"""

from __future__ import annotations

from typing import Any, Final

import gguf
from transformers.integrations import GGUF_CONFIG_MAPPING
from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

from attention.errors import FamilyNotProven
from attention.model.gguf.header import GgufHeader
from attention.model.gguf.sizes import EMBEDDING

ALIASES: Final = {
    "qwen2moe": "qwen2_moe",
    "qwen3moe": "qwen3_moe",
    "gpt-oss": "gpt_oss",
    "minimax-m2": "minimax_m2",
}
"""Architectures that transformers' reader has under another name."""

ENCODER_DECODERS: Final = frozenset({"t5"})

WIDTHS: Final = frozenset({"attention.key_length", "attention.value_length"})
AGREEING: Final = {
    "attention.sliding_window": "sliding_window",
    "attn_logit_softcapping": "attn_logit_softcapping",
    "vocab_size": "vocab_size",
    "use_parallel_residual": "use_parallel_residual",
    "expert_feed_forward_length": "moe_intermediate_size",
    "expert_shared_feed_forward_length": "shared_expert_intermediate_size",
    "context_length": "max_position_embeddings",
    "feed_forward_length": "n_inner",
}
"""Settings that the reader leaves to the family's defaults, and what they are called there."""

FILLED: Final = {
    "gpt2": ("context_length", "feed_forward_length"),
    "phi3": ("attention.sliding_window",),
    "qwen2moe": ("expert_feed_forward_length", "expert_shared_feed_forward_length"),
    "qwen3moe": ("expert_feed_forward_length",),
}
"""Those of them that a family's configuration takes as they are."""

SCALED_BY_WIDTH: Final = {"gemma2": 46, "gemma3": 62}
"""Gemma's largest networks, by their layers: they divide scores by the root of width / heads, not of a head's size.
No file says so; the format's own reader goes by the layers too."""

WITHOUT_SCALING: Final = frozenset({"rope.scaling.original_context_length", "rope.scaling.finetuned"})
"""Settings of scaled positions that change nothing by themselves."""

NO_PART: Final = frozenset({"final_logit_softcapping", "tensor_data_layout", "pooling_type"})


def known_architecture(model: str, header: GgufHeader) -> dict[str, Any]:
    """The architecture as a configuration would name it. Raises FamilyNotProven for one that its reader does not know.

    The names are those of transformers.
    """
    known = sorted(each for each in gguf.MODEL_ARCH_NAMES.values() if _own_name(each) in GGUF_SUPPORTED_ARCHITECTURES)
    if header.architecture not in known:
        raise FamilyNotProven(
            f"{model} is a GGUF file of the architecture {header.architecture:.80}, which cannot be read; serve the "
            f"model from its safetensors (read are {', '.join(known)})"
        )
    return {
        "model_type": _own_name(header.architecture),
        "is_encoder_decoder": header.architecture in ENCODER_DECODERS,
    }


def _own_name(architecture: str) -> str:
    return ALIASES.get(architecture, architecture)


def complete(header: GgufHeader, config: Any) -> None:
    """Set in a configuration what the file says, or means by the format's own rules, and the reader leaves out."""
    config.vocab_size = header.tensors[EMBEDDING].shape[0]
    architecture = header.architecture
    for setting in FILLED.get(architecture, ()):
        value = header.settings.get(f"{architecture}.{setting}")
        if value:  # a window of 0 is none
            setattr(config, AGREEING[setting], value)
    if architecture == "llama" and config.model_type == "mistral":  # by its name alone, and then with a window
        config.sliding_window = None
    if architecture in SCALED_BY_WIDTH:
        by_width = config.num_hidden_layers == SCALED_BY_WIDTH[architecture]
        config.query_pre_attn_scalar = config.hidden_size // config.num_attention_heads if by_width else config.head_dim


def check_settings(model: str, header: GgufHeader, config: Any) -> None:
    """Raise FamilyNotProven where the file says something of its network that the configuration does not have."""
    read = GGUF_CONFIG_MAPPING.get(_own_name(header.architecture), {})
    prefix = f"{header.architecture}."
    for name, value in header.settings.items():
        setting = name.removeprefix(prefix)
        if setting == name or setting in NO_PART or read.get(setting) is not None:
            continue
        if not _agrees(setting, value, header.settings, prefix, config):
            raise FamilyNotProven(
                f"the GGUF file of {model} says {name} = {value}, which would be left out; serve the model from its "
                "safetensors"
            )


def _agrees(setting: str, value: Any, settings: dict[str, Any], prefix: str, config: Any) -> bool:
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    if setting in WIDTHS:
        return bool(value == width)
    if setting == "rope.dimension_count":
        turned = getattr(config, "partial_rotary_factor", None) or _rotary(config).get("partial_rotary_factor") or 1.0
        return bool(value == int(width * turned))
    if setting in AGREEING:
        return bool((getattr(config, AGREEING[setting], None) or 0) == value)
    if setting.startswith("rope.scaling."):
        scaled = settings.get(f"{prefix}rope.scaling.type")  # a factor without one is linear
        return scaled == "none" or (scaled is None and (setting in WITHOUT_SCALING or value in (0, 1)))
    return False


def _rotary(config: Any) -> dict[str, Any]:
    rotary = getattr(config, "rope_parameters", None)
    return rotary if isinstance(rotary, dict) else {}
