"""The tokens of a pass are chosen so that it fits into the memory that is free."""

import subprocess
import sys
from dataclasses import replace

import pytest

from attention.budget import SHARE, bytes_per_token, pass_tokens
from attention.model import ModelFacts, open_model, packaged_minilm

PEAK_OF_A_PASS = """
import resource, sys
import numpy as np, torch
from attention.capture import Want, capture
from attention.conversation import Window
from attention.model import open_model, packaged_minilm

torch.set_num_threads(1)
model = open_model(packaged_minilm())
def windows(count):
    turn = np.repeat(np.arange(32, dtype=np.int32), 16)
    none = np.zeros(512, bool)
    return [Window(np.full(512, 2000 + k, np.int64), turn, turn % 3, none, none) for k in range(count)]
capture(model, windows(1), Want())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
capture(model, windows(16), Want())
print(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / (15 * 512))
"""


@pytest.fixture(scope="module")
def facts() -> ModelFacts:
    return open_model(packaged_minilm()).facts


def test_the_budget_is_what_the_free_memory_allows_and_never_above_the_setting(facts: ModelFacts) -> None:
    each = bytes_per_token(facts)
    assert pass_tokens(facts, free=10**12, most=16_384) == 16_384
    assert pass_tokens(facts, free=int(4096 * each / SHARE) + 1, most=16_384) == 4096


def test_one_context_is_tried_whatever_is_free(facts: ModelFacts) -> None:
    assert pass_tokens(facts, free=0, most=16_384) == facts.context
    assert pass_tokens(facts, free=0, most=100) == 100


def test_wider_models_get_smaller_passes(facts: ModelFacts) -> None:
    wide = replace(facts, hidden_size=8 * facts.hidden_size)
    assert pass_tokens(wide, free=2**30, most=10**9) * 6 < pass_tokens(facts, free=2**30, most=10**9)


def test_a_real_pass_stays_below_the_estimate_and_not_far_below(facts: ModelFacts) -> None:
    done = subprocess.run([sys.executable, "-c", PEAK_OF_A_PASS], capture_output=True, text=True, check=True)
    measured = float(done.stdout)
    assert measured <= bytes_per_token(facts)
    assert bytes_per_token(facts) <= 8 * measured
