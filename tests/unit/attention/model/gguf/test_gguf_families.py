"""Families whose weights or settings are others in a GGUF file than in their network are measured as they were."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from capture_networks import build
from eager_models import assert_measures
from gguf_families import with_uneven_norms, write_family
from gguf_files import write_gguf, write_vocabulary
from tiny_models import tiny_tokenizer

from attention import errors
from attention.model.loading import open_model
from attention.model.model import Model, ModelSource

SHAPE: dict[str, Any] = {
    "vocab_size": 600,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": None,
}
GEMMA = {"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 16}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
HEADS = {"attention__key_length": 16, "attention__value_length": 16}
WINDOW = {"attention__sliding_window": 16}
OF_EXPERTS = {"expert_count": 4, "expert_used_count": 2, "expert_feed_forward_length": 32}
CAPS = {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}

FAMILIES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "gemma2": ("gemma2", transformers.Gemma2Config(**SHAPE, **GEMMA), HEADS | WINDOW | CAPS),
    "the largest gemma2, which scales by width": (
        "gemma2",
        transformers.Gemma2Config(
            **SHAPE | GEMMA | {"num_hidden_layers": 46, "hidden_size": 32, "query_pre_attn_scalar": 8}
        ),
        HEADS | WINDOW | CAPS,
    ),
    "gemma3": (
        "gemma3",
        transformers.Gemma3TextConfig(**SHAPE | GEMMA | {"num_hidden_layers": 7}, rope_theta=5e5),
        HEADS | WINDOW | {"rope__freq_base": 5e5},
    ),
    "phi3 with a window": (
        "phi3",
        transformers.Phi3Config(**SHAPE, sliding_window=16),
        WINDOW | {"rope__dimension_count": 16, "rope__scaling__original_context_length": 128},
    ),
    "phi3 without one": ("phi3", transformers.Phi3Config(**SHAPE), {"attention__sliding_window": 0}),
    "gpt2 of another length": (
        "gpt2",
        transformers.GPT2Config(vocab_size=600, n_embd=64, n_layer=3, n_head=4, n_positions=128, n_inner=200),
        {},
    ),
    "lfm2": (
        "lfm2",
        transformers.Lfm2Config(
            **SHAPE, layer_types=["conv", "full_attention", "conv"], block_auto_adjust_ff_dim=False, rope_theta=1e6
        ),
        {"shortconv__l_cache": 3, "rope__freq_base": 1e6},
    ),
    "qwen2moe": (
        "qwen2moe",
        transformers.Qwen2MoeConfig(**SHAPE, **EXPERTS, shared_expert_intermediate_size=48),
        OF_EXPERTS | {"expert_shared_feed_forward_length": 48},
    ),
    "qwen3moe": (
        "qwen3moe",
        transformers.Qwen3MoeConfig(**SHAPE, **EXPERTS, head_dim=16, norm_topk_prob=True),
        HEADS | OF_EXPERTS,
    ),
}


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_family_is_measured_as_the_network_that_was_written(kind: str, tmp_path: Path) -> None:
    architecture, config, settings = FAMILIES[kind]
    meant: Any = with_uneven_norms(build(config, "eager"))
    write_family(tmp_path / "m.gguf", meant, architecture, **settings)
    model = open_model(ModelSource(id="tiny", path=tmp_path))
    found, wanted = model.network.state_dict(), meant.state_dict()
    assert found.keys() == wanted.keys()
    for name, weight in wanted.items():
        torch.testing.assert_close(found[name].cpu(), weight, rtol=0, atol=1e-6)
    torch.testing.assert_close(states(model), states(from_safetensors(meant, tmp_path / "whole")), rtol=1e-6, atol=1e-6)
    if config.num_hidden_layers < 10:  # rounding against float64 grows with the layers
        assert_measures(model, meant, relative=3e-5)


def from_safetensors(meant: Any, folder: Path) -> Model:
    meant.save_pretrained(folder)
    tiny_tokenizer("byte-level").save_pretrained(folder)
    return open_model(ModelSource(id="tiny", path=folder))


def states(model: Model) -> torch.Tensor:
    ids = torch.randint(10, 600, (1, 60), generator=torch.Generator().manual_seed(3))
    found: torch.Tensor = model.network(ids).last_hidden_state
    return found


def test_a_llama_that_is_named_mistral_gets_no_window(tmp_path: Path) -> None:
    def named(writer: Any, split: str) -> None:
        writer.add_name("mistral")
        write_vocabulary(writer, split)

    meant: Any = build(transformers.LlamaConfig(**SHAPE, head_dim=16), "eager")
    write_gguf(tmp_path / "m.gguf", meant, vocabulary=named)
    model = open_model(ModelSource(id="tiny", path=tmp_path))
    assert model.network.config.sliding_window is None  # type: ignore[union-attr]
    assert_measures(model, meant, relative=3e-5)


REFUSED = {
    "t5": errors.EncoderDecoder,
    "mamba": errors.AttentionFree,
    "falcon": errors.FamilyNotProven,
    "mistral": errors.FamilyNotProven,
    "qwen2_moe": errors.FamilyNotProven,
}


@pytest.mark.parametrize("architecture", REFUSED)
def test_an_architecture_that_cannot_be_measured_is_refused_by_name(architecture: str, tmp_path: Path) -> None:
    """Also those that the libraries know by another name than the format does."""
    meant: Any = build(transformers.LlamaConfig(**SHAPE, head_dim=16), "eager")
    write_gguf(tmp_path / "m.gguf", meant, architecture)
    with pytest.raises(REFUSED[architecture], match=architecture):
        open_model(ModelSource(id="tiny", path=tmp_path))
