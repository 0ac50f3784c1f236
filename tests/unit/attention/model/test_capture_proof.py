"""The self-check proves what can be measured, and refuses by name what cannot."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
import transformers
from capture_networks import CONFIGURATIONS, GROUPED, SHAPE, VOCABULARY, build

from attention import kernels
from attention.errors import AttentionFree, FamilyNotProven, ModelRefused
from attention.hook import attention_function
from attention.hook.attention_function import CAPTURE
from attention.kernels import AttentionCall, RowStatistics
from attention.model.checks import proof
from attention.model.checks.proof import Proof, prove

BIDIRECTIONAL = {"bert", "roberta", "modernbert"}


def summary(found: Proof) -> tuple[tuple[int, ...], int, bool]:
    return found.attending_layers, found.heads, found.causal


@pytest.mark.parametrize("family", CONFIGURATIONS)
def test_every_family_proves_itself_and_is_left_capturing(family: str) -> None:
    network: Any = build(CONFIGURATIONS[family](), CAPTURE)
    layers = (1, 3) if family == "qwen3_next" else (0, 1)
    found = prove(network, "tiny")
    assert summary(found) == (layers, 4, family not in BIDIRECTIONAL)
    shared = getattr(network.config, "num_key_value_heads", 4)
    assert (found.hidden_size, found.key_value_heads) == (32, (shared,))
    assert network.config._attn_implementation == CAPTURE


@pytest.mark.parametrize("family", CONFIGURATIONS)
def test_every_family_proves_itself_in_half_precision(family: str) -> None:
    for dtype in (torch.bfloat16, torch.float16):
        network: Any = build(CONFIGURATIONS[family](), CAPTURE).to(dtype)
        assert prove(network, "tiny").heads == 4
        assert {weight.dtype for weight in network.parameters()} <= {dtype, torch.float32}


UNLISTED = ("albert", "cohere2", "distilbert", "granite", "llama4_text", "olmoe", "xlm-roberta")


@pytest.mark.parametrize("family", [*UNLISTED, pytest.param("falcon_h1", marks=pytest.mark.slow)])
def test_a_family_that_is_not_listed_proves_itself_all_the_same(family: str) -> None:
    experts = {"num_experts": 4, "num_experts_per_tok": 2} if family == "olmoe" else {}
    config = transformers.CONFIG_MAPPING[family](**GROUPED, **experts)
    found = prove(build(config, CAPTURE), "tiny")
    assert summary(found) == ((0, 1), 4, family not in ("albert", "distilbert", "xlm-roberta"))


OTHERS: dict[str, Callable[[], Any]] = {
    "bloom": lambda: transformers.BloomConfig(vocab_size=VOCABULARY, hidden_size=32, n_layer=2, n_head=4),
    "deberta-v2": lambda: transformers.DebertaV2Config(**SHAPE),
    "mpnet": lambda: transformers.MPNetConfig(**SHAPE),
    "stablelm": lambda: transformers.StableLmConfig(**GROUPED),
}


@pytest.mark.parametrize("family", OTHERS)
def test_a_family_outside_the_attention_interface_is_refused_by_name(family: str) -> None:
    with pytest.raises(ModelRefused, match=f"tiny.*{family}"):
        prove(build(OTHERS[family](), CAPTURE), "tiny")


def test_a_network_whose_layers_all_do_without_attention_is_refused() -> None:
    config = CONFIGURATIONS["qwen3_next"]()
    config.layer_types = ["linear_attention"] * 4
    with pytest.raises(AttentionFree):
        prove(build(config, CAPTURE), "tiny")


@pytest.mark.parametrize(
    ("family", "dtype"), [("llama", torch.float32), ("llama", torch.bfloat16), ("mixtral", torch.bfloat16)]
)
def test_a_network_that_attends_otherwise_under_capture_is_refused(family: str, dtype: torch.dtype) -> None:
    def skewed(factor: float) -> Any:
        network: Any = build(CONFIGURATIONS[family](), CAPTURE).to(dtype)
        network.config.vocab_size_marker = factor  # a configuration of its own, so that no earlier proof is found
        attention = network.layers[1].self_attn
        original, scaling = attention.forward, attention.scaling

        def forward(*arguments: Any, **keywords: Any) -> Any:
            attention.scaling = scaling * (factor if network.config._attn_implementation == CAPTURE else 1)
            return original(*arguments, **keywords)

        attention.forward = forward
        return network

    assert summary(prove(skewed(1.0), "tiny")) == ((0, 1), 4, True)
    with pytest.raises(FamilyNotProven, match="differs from eager attention"):
        prove(skewed(1.01), "tiny")


def test_a_kernel_that_is_wrong_in_the_precision_of_the_network_alone_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def wrong_in_half(call: AttentionCall, rows: RowStatistics) -> torch.Tensor:
        output = kernels.attend(call, rows)
        if call.query.dtype == torch.bfloat16:
            rows.distance.mul_(1.3)
        return output

    monkeypatch.setattr(attention_function, "attend", wrong_in_half)
    config = CONFIGURATIONS["mixtral"]()
    config.vocab_size_marker = 3  # a configuration of its own, so that no earlier proof is found
    with pytest.raises(FamilyNotProven, match="distance in layer 0 differs from eager attention"):
        prove(build(config, CAPTURE).to(torch.bfloat16), "tiny")
    assert prove(build(config, CAPTURE), "tiny").heads == 4


def torn(monkeypatch: pytest.MonkeyPatch, marker: int) -> Any:
    """A network whose router scores two experts alike, under attention whose last bits differ with every call."""
    noise = torch.Generator().manual_seed(0)

    def noisy(call: AttentionCall, rows: RowStatistics) -> torch.Tensor:
        output = kernels.attend(call, rows)
        return output * (1 + 1e-6 * torch.randn(output.shape, generator=noise))

    monkeypatch.setattr(attention_function, "attend", noisy)
    config = CONFIGURATIONS["mixtral"]()
    config.vocab_size_marker = marker  # a configuration of its own, so that no earlier proof is found
    network: Any = build(config, CAPTURE)
    for layer in network.layers:
        near = layer.mlp.gate.weight[0] * (1 + 1e-7 * torch.randn(32, generator=noise))
        layer.mlp.gate.weight.data[1] = near
    return network


def test_a_network_that_is_torn_between_two_experts_proves_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert prove(torn(monkeypatch, 4), "tiny").heads == 4


def test_it_would_not_if_it_chose_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "repeated", lambda _chosen: nullcontext())
    with pytest.raises(FamilyNotProven, match="last hidden state differs"):
        prove(torn(monkeypatch, 5), "tiny")


@pytest.mark.parametrize("window", [7, 300, 4096])
def test_a_window_that_the_capture_loses_is_noticed_however_long_it_is(window: int) -> None:
    def network() -> Any:
        changes = {"sliding_window": window, "max_position_embeddings": 8192}
        return build(transformers.MistralConfig(**GROUPED | changes), CAPTURE)

    whole = network()
    whole.config.vocab_size_marker = 2
    assert summary(prove(whole, "tiny")) == ((0, 1), 4, True)
    assert whole.config.sliding_window == window
    lossy = network()
    attention = lossy.layers[1].self_attn
    original = attention.forward

    def unmasked(*arguments: Any, attention_mask: Any = None, **keywords: Any) -> Any:
        seen = None if lossy.config._attn_implementation == CAPTURE else attention_mask
        return original(*arguments, attention_mask=seen, **keywords)

    attention.forward = unmasked
    with pytest.raises(FamilyNotProven, match="differs from eager attention"):
        prove(lossy, "tiny")
    assert lossy.config.sliding_window == window


def test_a_local_window_that_is_stated_twice_is_put_back() -> None:
    config = CONFIGURATIONS["modernbert"]()
    config.local_attention = 4096
    network: Any = build(config, CAPTURE)
    assert prove(network, "tiny").causal is False
    assert (network.config.local_attention, network.config.sliding_window) == (4096, 2048)
