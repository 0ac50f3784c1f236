"""Which architectures are measured, and what is refused before any weights are loaded.

A family is proven when its captured row statistics equal those computed from its own eager attention weights. The
tests hold the listed ones to that, and every model is checked again when it is loaded (`proof.py`), so that a family
that is not listed is measured too if it passes. Here are the variants that a short check could miss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from attention.errors import AttentionFree, EncoderDecoder, FamilyNotProven


@dataclass(frozen=True, slots=True)
class Family:
    """An architecture. `causal` is None where only the check tells."""

    causal: bool | None = None


FAMILIES: Final[Mapping[str, Family]] = {
    "bert": Family(causal=False),
    "deepseek_v3": Family(causal=True),
    "gemma2": Family(causal=True),
    "gemma3_text": Family(causal=True),
    "gpt2": Family(causal=True),
    "gpt_neox": Family(causal=True),
    "gpt_oss": Family(causal=True),
    "llama": Family(causal=True),
    "mistral": Family(causal=True),
    "mixtral": Family(causal=True),
    "modernbert": Family(causal=False),
    "olmo2": Family(causal=True),
    "opt": Family(causal=True),
    "phi3": Family(causal=True),
    "qwen2": Family(causal=True),
    "qwen3": Family(causal=True),
    "qwen3_next": Family(causal=True),
    "roberta": Family(causal=False),
}
"""Held to their eager attention by the tests; by `model_type` of the configuration."""

OWN_ATTENTION: Final = frozenset({"bloom", "deberta", "deberta-v2", "falcon", "gpt_neo", "gptj"})
"""They compute attention in code of their own, which no attention function can replace."""

ATTENTION_FREE: Final = frozenset(
    {"falcon_mamba", "fnet", "mamba", "mamba2", "resnet", "rwkv", "xlstm", "hyena", "retnet"}
)

FOREIGN_PARTS: Final = {
    "fusion_config": "it asks for fused layers",
    "transformers_weights": "it names its own weights file",
}


def text_settings(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a `config.json` that is about the network that reads text: all of it but for multimodal models."""
    part = config.get("text_config")
    return part if isinstance(part, Mapping) and isinstance(part.get("model_type"), str) else config


def proven_family(model: str, config: Mapping[str, Any]) -> Family:
    """The family of a model, from its `config.json`, to be proven when loaded; `model` is its name in messages.

    Of a multimodal model it is the family of the part that reads text.
    Raises EncoderDecoder, AttentionFree or FamilyNotProven, each naming the architecture.
    """
    whole, config = config, text_settings(config)
    kind = config.get("model_type")
    if not isinstance(kind, str) or not kind:
        raise FamilyNotProven(f"the configuration of {model} names no model_type; it cannot be measured")
    if whole.get("is_encoder_decoder") or config.get("is_encoder_decoder"):
        raise EncoderDecoder(
            f"{model} is an encoder-decoder ({kind}): it reads one sequence and writes another, where one document is "
            "one sequence; use an encoder or a decoder alone"
        )
    if kind in ATTENTION_FREE:
        raise AttentionFree(f"{model} ({kind}) has no attention to measure")
    if kind in OWN_ATTENTION:
        raise FamilyNotProven(
            f"{model} is of the family {kind}, which computes attention in code of its own that cannot be measured; "
            f"proven are {', '.join(sorted(FAMILIES))}"
        )
    family = FAMILIES.get(kind, Family())
    for part, what in FOREIGN_PARTS.items():
        if whole.get(part) is not None or config.get(part) is not None:
            raise FamilyNotProven(f"{model} ({kind}) cannot be measured exactly: {what} ({part})")
    if config.get("is_decoder") and family.causal is False:
        raise FamilyNotProven(f"{model} is a {kind} set up as a decoder, which is not proven")
    if family.causal and config.get("is_causal") is False:
        raise FamilyNotProven(f"{model} is a {kind} set up to look ahead, which is not proven")
    if config.get("add_cross_attention"):
        raise FamilyNotProven(f"{model} is a {kind} with cross-attention, which is not proven")
    return family
