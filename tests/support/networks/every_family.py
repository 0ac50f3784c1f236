"""Every text family that transformers has, as a small random network: which are measured, which refused, and why.

Run as a program it writes the table of docs/models.md.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from capture_networks import build
from project_tree import ROOT
from torch import Tensor
from transformers import CONFIG_MAPPING, AutoModel
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    MODEL_MAPPING_NAMES,
)

from attention.errors import HearkenError
from attention.hook.attention_function import CAPTURE
from attention.hook.batch import Batch
from attention.hook.collector import RowCollector
from attention.hook.forward_pass import run
from attention.kernels import RowRequest
from attention.model.checks.families import proven_family
from attention.model.checks.proof import prove
from attention.model.checks.steady import steady_length
from attention.text.documents import Window

LENGTHS: Final = (40, 600)
"""Tokens of the texts that are read alone and in company."""

LARGEST: Final = 20_000_000
"""Parameters; a small network has far fewer."""

NOT_TRIED: Final = "not tried here: it needs sizes of its own to be small"

SMALL: Final[Mapping[str, Any]] = {
    "vocab_size": 97, "hidden_size": 32, "d_model": 32, "n_embd": 32, "emb_dim": 32, "dim": 32, "embedding_size": 32,
    "num_hidden_layers": 4, "n_layer": 4, "n_layers": 4, "num_layers": 4, "encoder_layers": 4, "decoder_layers": 4,
    "num_attention_heads": 4, "n_head": 4, "n_heads": 4, "num_heads": 4, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 48, "d_inner": 48,
    "ffn_dim": 48, "hidden_dim": 48, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "n_inner": 48,
    "max_position_embeddings": 1024, "n_positions": 1024, "n_ctx": 1024, "max_seq_len": 1024, "seq_length": 1024,
    "moe_intermediate_size": 16, "shared_expert_intermediate_size": 16, "n_routed_experts": 4, "num_experts": 4,
    "num_local_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2, "num_experts_per_token": 2, "n_group": 1,
    "topk_group": 1, "first_k_dense_replace": 1, "kv_lora_rank": 16, "q_lora_rank": 16, "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8, "v_head_dim": 8, "type_vocab_size": 2, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2, "sliding_window": 16, "attention_chunk_size": 16, "local_attention": 16,
    "word_embed_proj_dim": 32,
    "vocab_size_per_layer_input": 97, "hidden_size_per_layer_input": 8, "laurel_rank": 4, "num_kv_shared_layers": 0,
    "linear_num_value_heads": 4, "linear_num_key_heads": 2, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
    "mamba_d_state": 8, "mamba_d_head": 8, "mamba_n_heads": 8, "mamba_expand": 2, "mamba_d_ssm": 64,
    "mamba_n_groups": 1,
    "state_size": 8, "mamba_num_heads": 8, "mamba_head_dim": 8, "rotary_dim": 8, "index_head_dim": 8,
    "index_n_heads": 2,
    "layers_block_type": None, "layer_types": None, "mlp_layer_types": None,
}  # fmt: skip
"""Sizes of a small network, by the names that families have for them."""

OF_THREE_AXES: Final = {"rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4}}
KEYS_OF_THEIR_OWN: Final = (
    "axk1", "axk2", "bailing_hybrid", "deepseek_v2", "deepseek_v3", "deepseek_v32", "dots3_note_text", "esmc",
    "glm4_moe_lite", "glm5_next_text", "glm_moe_dsa", "kimi_linear", "minicpm3", "mistral_large4_text", "youtu",
)  # fmt: skip
"""Families whose every head has keys of its own."""
PLACED_IN_THREE_AXES: Final = (
    "cosmos3_edge_text", "glm4v_moe_text", "glm4v_text", "glm_image_text", "glm_ocr_text", "hunyuan_vl_text",
    "qwen2_5_vl_text", "qwen2_vl_text",
)  # fmt: skip
"""Text parts of families whose positions are of time, height and width."""
PARTICULAR: Final[Mapping[str, Mapping[str, Any]]] = {
    **{name: {"num_key_value_heads": 4} for name in KEYS_OF_THEIR_OWN},
    **dict.fromkeys(PLACED_IN_THREE_AXES, OF_THREE_AXES),
    "bamba": {"attn_layer_indices": [1, 3]},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"] * 2},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "longcat_flash": {"num_layers": 2, "num_key_value_heads": 4, "ffn_hidden_size": 48, "expert_ffn_hidden_size": 16},
    "luke": {"entity_vocab_size": 50, "entity_emb_size": 32},
    "recurrent_gemma": {"attention_window_size": 16, "block_types": ["recurrent", "recurrent", "attention"]},
    "reformer": {"axial_pos_embds_dim": [16, 16], "axial_pos_shape": [32, 32], "is_decoder": True},
    "xlnet": {"d_head": 8},
    "zaya": {"num_experts_per_tok": 1},
}
"""What single families need besides."""


@dataclass(frozen=True)
class Outcome:
    """What became of a family. `reason` is empty where it is measured; `error` is of texts in company, relative."""

    family: str
    measured: bool
    reason: str
    causal: bool = False
    layers: str = ""
    error: float = 0.0


def text_families() -> list[str]:
    """Names of the families that make words: those with a head for it, and the text parts of multimodal ones."""
    heads = {*MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, *MODEL_FOR_MASKED_LM_MAPPING_NAMES}
    parts = {name for name in MODEL_MAPPING_NAMES if name.endswith("_text")}
    return sorted(name for name in heads & set(MODEL_MAPPING_NAMES) | parts if not _of_several_parts(name))


def _of_several_parts(name: str) -> bool:
    kind = CONFIG_MAPPING[name]
    parts = getattr(kind, "sub_configs", {}) or {}
    return any(part in parts for part in ("text_config", "vision_config", "audio_config", "decoder", "text_encoder"))


def small_config(name: str) -> Any:
    """A configuration of a family with small sizes."""
    kind = CONFIG_MAPPING[name]
    usual = kind()
    known = {*usual.to_dict(), *(usual.attribute_map or {})}
    settings = {setting: value for setting, value in SMALL.items() if setting in known and value is not None}
    settings = {own: value for own, value in settings.items() if own not in (usual.attribute_map or {})}
    for setting in ("layer_types", "layers_block_type", "mlp_layer_types"):
        given = usual.to_dict().get(setting)
        if isinstance(given, list) and setting not in PARTICULAR.get(name, {}):
            settings[setting] = (list(dict.fromkeys(given)) * 4)[:4]  # each kind of layer at least once, where four do
    return kind(**settings | dict(PARTICULAR.get(name, {})))


def outcome_of(name: str) -> Outcome:
    """Build a family's small network, prove it, and hold texts in company against the same texts alone."""
    try:
        proven_family("tiny", CONFIG_MAPPING[name]().to_dict())
        config = small_config(name)
        proven_family("tiny", config.to_dict())
        steady = steady_length(config.to_dict())
        if steady is not None and steady.tokens < 1024:
            return Outcome(name, False, f"not beyond {steady.tokens} tokens: {steady.beyond}")
        with torch.device("meta"):
            size = sum(weight.numel() for weight in AutoModel.from_config(config).parameters())
        if size > LARGEST:
            return Outcome(name, False, NOT_TRIED)
        prove(build(config, CAPTURE).to(torch.bfloat16), "tiny")
        network = build(config, CAPTURE)
        proof = prove(network, "tiny")
    except HearkenError as refusal:
        return Outcome(name, False, _reason(name, str(refusal)))
    except Exception:  # a configuration that cannot be as small as this one
        return Outcome(name, False, NOT_TRIED)
    layers = len(proof.attending_layers)
    said = "" if layers == config.num_hidden_layers else f"{layers} of {config.num_hidden_layers} layers attend"
    return Outcome(name, True, "", proof.causal, said, company(network))


def company(network: Any) -> float:
    """The largest relative difference of any row's distance or entropy between texts alone and in one batch."""
    windows = [_text(int(network.config.vocab_size), tokens) for tokens in LENGTHS]
    together = _rows(network, windows)
    worst = 0.0
    for place, window in enumerate(windows):
        for alone, among in zip(_rows(network, [window]), together, strict=True):
            wanted, found = alone[:, 0], among[:, place, :, : len(window)]
            worst = max(worst, float(((found - wanted).abs() / wanted.abs().clamp(min=1)).max()))
    return worst


def _rows(network: Any, windows: list[Window]) -> list[Tensor]:
    """Distance and entropy of every row: (2, B, H, N) each layer."""
    batch = Batch.of(windows)
    collector = RowCollector(batch.groups, RowRequest())
    run(network, batch, collector)
    return [torch.stack([rows.distance, rows.entropy]) for rows in collector.rows]


def _text(vocabulary: int, tokens: int) -> Window:
    nothing = np.full(tokens, -1, np.int32)
    special = np.zeros(tokens, np.bool_)
    return Window(np.random.default_rng(tokens).integers(5, vocabulary, tokens), nothing, nothing, special, special)


def _reason(name: str, refusal: str) -> str:
    """A refusal in a few words: without the model's name, without what a library says, and without by how much."""
    said = refusal.partition(" by ")[0] if "differs from eager attention" in refusal else refusal
    said = said.replace("\n", " ")
    for beginning in (f"tiny is of the family {name}, which ", f"tiny ({name}) ", f"tiny ({name}): ", "tiny is "):
        said = said.removeprefix(beginning)
    return said.partition(";")[0].partition(" (")[0].strip()


def table(outcomes: list[Outcome]) -> str:
    """The table of docs/models.md."""
    lines = ["| family | | |", "|---|---|---|"]
    for found in outcomes:
        if found.measured:
            said = ", ".join(part for part in ("causal" if found.causal else "both ways", found.layers) if part)
            lines.append(f"| {found.family} | measured | {said} |")
        else:
            lines.append(f"| {found.family} | {'-' if found.reason == NOT_TRIED else 'refused'} | {found.reason} |")
    return "\n".join(lines) + "\n"


BEGIN, END = "<!-- families -->\n", "<!-- end of families -->\n"


def written() -> str:
    """The table that docs/models.md has."""
    content = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    return content.partition(BEGIN)[2].partition(END)[0]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    page = ROOT / "docs" / "models.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    page.write_text(before + BEGIN + table(list(map(outcome_of, text_families()))) + END + rest.partition(END)[2])
