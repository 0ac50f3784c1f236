"""Small random networks of real architectures, made on the spot, and random windows for them to read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from torch import nn

from attention.hook.attention_function import CAPTURE
from attention.kernels import kernel_name
from attention.model.model import Model, ModelFacts, ModelSource
from attention.text.documents import Window

VOCABULARY = 97
SHAPE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GROUPED = SHAPE | {"num_key_value_heads": 2}
LOCAL_GLOBAL = ["sliding_attention", "full_attention"]

CONFIGURATIONS: dict[str, Callable[[], Any]] = {
    "bert": lambda: transformers.BertConfig(**SHAPE),
    "gpt2": lambda: transformers.GPT2Config(
        vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=256, bos_token_id=1, eos_token_id=2
    ),
    "llama": lambda: transformers.LlamaConfig(**GROUPED),
    "mistral": lambda: transformers.MistralConfig(**GROUPED, sliding_window=7),
    "qwen2": lambda: transformers.Qwen2Config(**GROUPED),
    "qwen3": lambda: transformers.Qwen3Config(**GROUPED, head_dim=8),
    "deepseek_v3": lambda: transformers.DeepseekV3Config(
        **SHAPE,
        num_key_value_heads=4,
        moe_intermediate_size=16,
        n_routed_experts=4,
        n_shared_experts=1,
        num_experts_per_tok=2,
        n_group=1,
        topk_group=1,
        first_k_dense_replace=1,
        kv_lora_rank=16,
        q_lora_rank=None,
        qk_rope_head_dim=8,
        qk_nope_head_dim=8,
        v_head_dim=12,
    ),
    "gemma2": lambda: transformers.Gemma2Config(
        **GROUPED, head_dim=8, sliding_window=6, attn_logit_softcapping=3.0, query_pre_attn_scalar=8
    ),
    "gemma3_text": lambda: transformers.Gemma3TextConfig(
        **GROUPED, head_dim=8, sliding_window=6, query_pre_attn_scalar=8, layer_types=LOCAL_GLOBAL
    ),
    "gpt_neox": lambda: transformers.GPTNeoXConfig(**SHAPE, rotary_pct=0.5),
    "gpt_oss": lambda: transformers.GptOssConfig(
        **GROUPED,
        head_dim=8,
        sliding_window=6,
        num_local_experts=4,
        num_experts_per_tok=2,
        layer_types=LOCAL_GLOBAL,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    ),
    "mixtral": lambda: transformers.MixtralConfig(**GROUPED, num_local_experts=4, num_experts_per_tok=2),
    "modernbert": lambda: transformers.ModernBertConfig(
        **SHAPE, local_attention=8, global_attn_every_n_layers=2, cls_token_id=1, sep_token_id=2
    ),
    "olmo2": lambda: transformers.Olmo2Config(**GROUPED),
    "opt": lambda: transformers.OPTConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        ffn_dim=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=256,
        word_embed_proj_dim=32,
    ),
    "phi3": lambda: transformers.Phi3Config(**GROUPED, sliding_window=9),
    "qwen3_next": lambda: transformers.Qwen3NextConfig(
        **(GROUPED | {"num_hidden_layers": 4}),
        head_dim=8,
        linear_num_value_heads=4,
        linear_num_key_heads=2,
        linear_key_head_dim=8,
        linear_value_head_dim=8,
        num_experts=4,
        num_experts_per_tok=2,
        moe_intermediate_size=16,
        shared_expert_intermediate_size=16,
        layer_types=["linear_attention", "full_attention", "linear_attention", "full_attention"],
    ),
    "roberta": lambda: transformers.RobertaConfig(**SHAPE),
}


@dataclass(frozen=True)
class Twin:
    """One network twice, with the same weights: captured, and eager."""

    model: Model
    eager: nn.Module

    def eager_weights(self, window: Window) -> list[NDArray[np.float64]]:
        """The weights of every attending layer for one window read alone. (H, n, n) each"""
        ids = torch.from_numpy(np.asarray(window.ids))[None]
        with torch.inference_mode():
            output = self.eager(input_ids=ids, attention_mask=torch.ones_like(ids), output_attentions=True)
        return [weights[0].double().numpy() for weights in output.attentions if weights is not None]


def build(config: Any, implementation: str, state: dict[str, torch.Tensor] | None = None) -> nn.Module:
    """A network in evaluation mode with seeded random weights, wide enough apart that attention is not uniform."""
    torch.manual_seed(7)
    network: nn.Module = transformers.AutoModel.from_config(config, attn_implementation=implementation).eval()
    if state is not None:
        network.load_state_dict(state)
        return network
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim > 1 and "norm" not in name:
                parameter.normal_(0.0, 0.25)
            elif "bias" in name or "sinks" in name:
                parameter.normal_(0.0, 0.3)
    return network


def twin(family: str, **changes: Any) -> Twin:
    """The named family captured and eager; `changes` are set on its configuration."""
    return twin_of(CONFIGURATIONS[family], **changes)


def twin_of(configuration: Callable[[], Any], **changes: Any) -> Twin:
    """A network from its configuration, captured and eager."""
    config = configuration()
    for name, value in changes.items():
        setattr(config, name, value)
    captured = build(config, CAPTURE)
    eager_config = configuration()
    for name, value in changes.items():
        setattr(eager_config, name, value)
    eager = build(eager_config, "eager", captured.state_dict())
    return Twin(model_of(captured), eager)


def model_of(network: Any, **changes: Any) -> Model:
    """A network dressed as an opened model; it has no tokenizer, as its windows are made of ids."""
    config = network.config
    attending = tuple(
        index
        for index, kind in enumerate(getattr(config, "layer_types", None) or ["full"] * config.num_hidden_layers)
        if kind != "linear_attention"
    )
    facts = ModelFacts(
        architecture=config.model_type,
        revision="random",
        weights_sha256="0" * 64,
        layers=len(attending),
        attending_layers=attending,
        heads=config.num_attention_heads,
        key_value_heads=getattr(config, "num_key_value_heads", config.num_attention_heads),
        head_size=max(
            getattr(config, "head_dim", None) or 0,
            (getattr(config, "qk_nope_head_dim", 0) or 0) + (getattr(config, "qk_rope_head_dim", 0) or 0),
            config.hidden_size // config.num_attention_heads,
        ),
        hidden_size=config.hidden_size,
        context=config.max_position_embeddings,
        causal=config.model_type not in ("bert", "roberta", "modernbert"),
        parameters=0,
        dtype="float32",
        device="cpu",
        kernel=kernel_name(torch.device("cpu")),
        vocabulary=VOCABULARY,
    )
    tokenizer: Any = None
    return Model(ModelSource(config.model_type), replace(facts, **changes), tokenizer, network)


def text_window(tokens: int, seed: int = 0) -> Window:
    """Random words between two special tokens, or words alone where there is no room for them."""
    rng = np.random.default_rng(seed)
    special = np.zeros(tokens, np.bool_)
    if tokens > 2:
        special[[0, -1]] = True
    return Window(
        ids=rng.integers(3, VOCABULARY, tokens),
        turn=np.full(tokens, -1, np.int32),
        speaker=np.full(tokens, -1, np.int32),
        scaffold=special.copy(),
        special=special,
    )


def talk_window(lengths: tuple[int, ...] = (5, 3, 8, 1, 6), speakers: int = 2, seed: int = 0, first: int = 0) -> Window:
    """A conversation: each turn has two tokens of label, its content, and one token after it."""
    rng = np.random.default_rng(seed)
    turn, speaker = [-1], [-1]
    for index, length in enumerate(lengths):
        turn += [-1, -1] + [first + index] * length + [-1]
        speaker += [-1, -1] + [(first + index) % speakers] * length + [-1]
    turn_array = np.array(turn, np.int32)
    special = np.zeros(len(turn), np.bool_)
    special[0] = True
    return Window(
        ids=rng.integers(3, VOCABULARY, len(turn)),
        turn=turn_array,
        speaker=np.array(speaker, np.int32),
        scaffold=turn_array < 0,
        special=special,
    )
