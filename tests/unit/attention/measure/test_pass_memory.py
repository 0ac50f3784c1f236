"""The budget of a pass on a GPU comes from what a token was measured to take; on a CPU from an estimate."""

import logging
from dataclasses import replace

import pytest
import torch

from attention.errors import NotFinite
from attention.measure import pass_memory
from attention.measure.pass_memory import CPU_TOKENS, GPU_TOKENS, budget_of
from attention.model.memory_budget import SHARE, pass_tokens, scratch_bytes
from attention.model.model import Model

PLENTY = 10**13


@pytest.fixture
def on_gpu(minilm: Model, monkeypatch: pytest.MonkeyPatch) -> Model:
    """MiniLM as it would say of itself on a GPU, where a token was measured to take a million bytes."""
    monkeypatch.setattr(pass_memory, "token_bytes", lambda _model: 1_000_000)
    return replace(minilm, facts=replace(minilm.facts, device="cuda:0", kernel="fused"))


def test_a_cpu_has_the_usual_budget_unless_a_setting_or_its_memory_says_otherwise(minilm: Model) -> None:
    assert budget_of(minilm, PLENTY, None) == CPU_TOKENS
    assert budget_of(minilm, PLENTY, 4_096) == 4_096
    assert budget_of(minilm, PLENTY, 10**6) == 10**6
    assert budget_of(minilm, 10**9, None) == pass_tokens(minilm, 10**9, CPU_TOKENS)


def test_a_gpu_takes_what_its_memory_allows(on_gpu: Model) -> None:
    free = int((50_000 * 1_000_000 + scratch_bytes(on_gpu.facts)) / SHARE) + 2
    assert budget_of(on_gpu, free, None) == 50_000
    assert budget_of(on_gpu, PLENTY, None) == GPU_TOKENS  # 256 conversations of 512 tokens
    assert budget_of(on_gpu, PLENTY, 20_000) == 20_000


def test_large_models_get_passes_that_nobody_waits_long_for(on_gpu: Model) -> None:
    eight_billion = replace(on_gpu, facts=replace(on_gpu.facts, parameters=8 * 10**9))
    assert CPU_TOKENS <= budget_of(eight_billion, PLENTY, None) < 40_000


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("planted"), NotFinite("planted")], ids=["memory", "numbers"])
def test_where_the_passes_fail_the_budget_is_the_estimate_and_the_log_says_so(
    on_gpu: Model, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(_model: Model) -> int:
        raise error

    monkeypatch.setattr(pass_memory, "token_bytes", failing)
    with caplog.at_level(logging.WARNING):
        assert budget_of(on_gpu, 10**10, 65_536) == pass_tokens(on_gpu, 10**10, 65_536)
    assert "the token budget is an estimate" in caplog.text
