"""Which architectures are measured, and why any other is refused.

A family is proven when its captured row statistics equal those computed from its own eager attention weights. Whatever
is not listed is refused by name: a number that might be wrong is not shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from attention.errors import AttentionFree, EncoderDecoder, FamilyNotProven


@dataclass(frozen=True, slots=True)
class Family:
    """A proven architecture. `options` are keywords its network is built with."""

    causal: bool
    options: Mapping[str, Any] = field(default_factory=dict)


FAMILIES: Final[Mapping[str, Family]] = {
    "bert": Family(causal=False, options={"add_pooling_layer": False}),
    "gpt2": Family(causal=True),
    "llama": Family(causal=True),
    "mistral": Family(causal=True),
    "qwen2": Family(causal=True),
    "qwen3": Family(causal=True),
}
"""By `model_type` of the configuration."""

ATTENTION_FREE: Final = frozenset(
    {"falcon_mamba", "fnet", "mamba", "mamba2", "resnet", "rwkv", "xlstm", "hyena", "retnet"}
)

STEADY_ROTATIONS: Final = frozenset({"default", "linear", "llama3", "yarn"})
"""Rotary embeddings that depend on a token's position alone; others change with the longest row of the batch."""

FOREIGN_PARTS: Final = {
    "quantization_config": "its weights are quantized",
    "fusion_config": "it asks for fused layers",
    "transformers_weights": "it names its own weights file",
}


def proven_family(model: str, config: Mapping[str, Any]) -> Family:
    """The family of a model, from its `config.json`; `model` is what messages call it.

    Raises EncoderDecoder, AttentionFree or FamilyNotProven, each naming the architecture.
    """
    kind = config.get("model_type")
    if not isinstance(kind, str) or not kind:
        raise FamilyNotProven(f"the configuration of {model} names no model_type; it cannot be measured")
    if config.get("is_encoder_decoder"):
        raise EncoderDecoder(
            f"{model} is an encoder-decoder ({kind}): it reads one sequence and writes another, where one document is "
            "one sequence; use an encoder or a decoder alone"
        )
    if kind in ATTENTION_FREE:
        raise AttentionFree(f"{model} ({kind}) has no attention to measure")
    family = FAMILIES.get(kind)
    if family is None:
        raise FamilyNotProven(
            f"{model} is of the family {kind}, whose numbers are not proven equal to its own attention weights; "
            f"proven are {', '.join(sorted(FAMILIES))}"
        )
    for part, what in FOREIGN_PARTS.items():
        if config.get(part) is not None:
            raise FamilyNotProven(f"{model} ({kind}) cannot be measured exactly: {what} ({part})")
    if config.get("is_decoder") and not family.causal:
        raise FamilyNotProven(f"{model} is a {kind} set up as a decoder, which is not proven")
    if family.causal and config.get("is_causal") is False:
        raise FamilyNotProven(f"{model} is a {kind} set up to look ahead, which is not proven")
    if config.get("add_cross_attention"):
        raise FamilyNotProven(f"{model} is a {kind} with cross-attention, which is not proven")
    rotation = _rotation(config)
    if rotation not in STEADY_ROTATIONS:
        raise FamilyNotProven(
            f"{model} ({kind}) rescales its positions by the length of the batch (rotary type {rotation}), so a "
            "document's numbers would depend on its neighbours"
        )
    return family


def _rotation(config: Mapping[str, Any]) -> str:
    rotary = config.get("rope_parameters") or config.get("rope_scaling") or {}
    return str(rotary.get("rope_type") or rotary.get("type") or "default") if isinstance(rotary, Mapping) else "unknown"
