"""The tokens of a pass are chosen so that it fits into the memory that is free."""

import subprocess
import sys
from dataclasses import replace

import pytest
from project_tree import SUPPORT

from attention.model.memory_budget import SHARE, bytes_per_token, pass_tokens, scratch_bytes
from attention.model.model import Model

PEAK_OF_A_PASS = """
import numpy as np, torch
from attention.model.memory_budget import bytes_per_token
from attention.measure.capture import CaptureOptions, capture
from attention.text.documents import Window
from benchmarks.memory import Peak

torch.set_num_threads(1)
{network}
tokens = min(1024, model.facts.context)
def windows(count):
    turn = np.repeat(np.arange(tokens // 16, dtype=np.int32), 16)
    none = np.zeros(tokens, bool)
    return [Window(np.full(tokens, 50 + k, np.int64), turn, turn % 3, none, none) for k in range(count)]
capture(model, windows(1), CaptureOptions())
with Peak() as memory:
    capture(model, windows(8192 // tokens), CaptureOptions())
print(2**20 * (memory.peak - memory.before) / 8192, bytes_per_token(model))
"""
"""Bytes that a token of a pass truly takes, by the process's peak memory, and the estimate."""

MINILM = """
from attention.model.loading import open_model
from attention.model.source.packaged import packaged_minilm
model = open_model(packaged_minilm())
"""
WIDE = """
import transformers
import capture_networks
configuration = transformers.Gemma2Config(
    vocab_size=97, hidden_size=256, intermediate_size=2048, num_hidden_layers=2, num_attention_heads=8,
    num_key_value_heads=4, head_dim=64, max_position_embeddings=2048, sliding_window=64,
)
model = capture_networks.model_of(capture_networks.build(configuration, "hearken"))
"""
ENOUGH = 2.5
"""The estimate is at most so many times the truth, and never below it."""


def test_the_budget_is_what_the_free_memory_allows_and_never_above_the_setting(minilm: Model) -> None:
    needed = 4096 * bytes_per_token(minilm) + scratch_bytes(minilm.facts)
    assert pass_tokens(minilm, free=10**12, most=16_384) == 16_384
    assert pass_tokens(minilm, free=int(needed / SHARE) + 2, most=16_384) == 4096
    assert pass_tokens(minilm, free=int(needed / SHARE) - 2, most=16_384) == 4095


def test_one_context_is_tried_whatever_is_free(minilm: Model) -> None:
    assert pass_tokens(minilm, free=0, most=16_384) == minilm.facts.context
    assert pass_tokens(minilm, free=0, most=100) == 100


def test_a_budget_that_was_halved_stays_so_when_the_model_is_loaded_again(minilm: Model) -> None:
    assert pass_tokens(minilm, free=10**12, most=8192) == 8192


def test_wider_models_get_smaller_passes(minilm: Model) -> None:
    wide = replace(minilm, facts=replace(minilm.facts, hidden_size=8 * minilm.facts.hidden_size))
    assert pass_tokens(wide, free=2**30, most=10**9) * 3 < pass_tokens(minilm, free=2**30, most=10**9)


@pytest.mark.parametrize("network", [pytest.param(MINILM, marks=pytest.mark.slow), WIDE], ids=["minilm", "gemma2"])
def test_a_real_pass_stays_below_the_estimate_and_not_far_below(network: str) -> None:
    script = f"import sys; sys.path.insert(0, {str(SUPPORT)!r})\n" + PEAK_OF_A_PASS.format(network=network)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    measured, estimated = map(float, done.stdout.split())
    assert measured <= estimated <= ENOUGH * measured
