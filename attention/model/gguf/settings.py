"""What a GGUF file says of its network, held against the configuration that transformers makes of it.

A setting that the reader leaves out would be a default, in silence: each has to be known to be read, to agree, or to
have no part in what is measured.
"""

from __future__ import annotations

from typing import Any, Final

from transformers.integrations import GGUF_CONFIG_MAPPING
from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

from attention.errors import FamilyNotProven
from attention.model.gguf.header import GgufHeader

ALIASES: Final = {
    "qwen2moe": "qwen2_moe",
    "qwen3moe": "qwen3_moe",
    "gpt-oss": "gpt_oss",
    "minimax-m2": "minimax_m2",
}
"""Architectures that transformers' reader has under another name."""

NOT_ARCHITECTURES: Final = frozenset({"general", "tokenizer"})

WIDTHS: Final = frozenset({"attention.key_length", "attention.value_length"})
AGREEING: Final = {
    "attention.sliding_window": "sliding_window",
    "attn_logit_softcapping": "attn_logit_softcapping",
    "vocab_size": "vocab_size",
}
"""Settings that the reader leaves to the family's defaults, and what they are called there."""

NO_PART: Final = frozenset({"final_logit_softcapping", "tensor_data_layout", "pooling_type"})


def known_architecture(model: str, header: GgufHeader) -> str:
    """The architecture under transformers' name. Raises FamilyNotProven for one that its reader does not know."""
    name = ALIASES.get(header.architecture, header.architecture)
    known = {each for each in GGUF_SUPPORTED_ARCHITECTURES if each not in NOT_ARCHITECTURES}
    if name not in known:
        raise FamilyNotProven(
            f"{model} is a GGUF file of the architecture {header.architecture}, which cannot be read; serve the model "
            f"from its safetensors (read are {', '.join(sorted(known))})"
        )
    return name


def check_settings(model: str, header: GgufHeader, config: Any) -> None:
    """Raise FamilyNotProven where the file says something of its network that the configuration does not have."""
    read = GGUF_CONFIG_MAPPING.get(known_architecture(model, header), {})
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
        return bool(getattr(config, AGREEING[setting], None) == value)
    if setting.startswith("rope.scaling."):
        return bool(settings.get(f"{prefix}rope.scaling.type", "none") == "none")
    return False


def _rotary(config: Any) -> dict[str, Any]:
    rotary = getattr(config, "rope_parameters", None)
    return rotary if isinstance(rotary, dict) else {}
