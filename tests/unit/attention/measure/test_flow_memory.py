"""The flow between a thousand turns: exact, and in memory that grows with tokens and turns, not with their square."""

import subprocess
import sys

import numpy as np
import pytest
from capture_networks import talk_window, twin
from project_tree import ROOT, SUPPORT

from attention.measure.analysis import analyse
from attention.measure.capture import CaptureOptions
from attention.text.documents import Rendered

TURNS = 1_000

PROGRAM = """
import resource, sys
sys.path[:0] = [{tests!r}]
import numpy as np
from capture_networks import talk_window, twin
from attention.measure.analysis import analyse
from attention.text.documents import Rendered

network = twin("llama", max_position_embeddings=32_768)
def measure(words):
    window = talk_window((words,) * {turns}, speakers=12)
    rendered = Rendered((window,), {turns}, tuple(map(str, range(12))), len(window), False)
    return analyse(network.model, [rendered], token_budget=len(window))[0]
measure(1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = measure({words})
rows = found.flow.sum(-1)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024, found.tokens, abs(rows - 1).max())
"""


@pytest.mark.slow
def test_a_thousand_turns_are_measured_in_bounded_memory_and_rows_sum_to_one() -> None:
    program = PROGRAM.format(tests=str(SUPPORT), turns=TURNS, words=7)
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    grown, tokens, error = (float(word) for word in done.stdout.split())
    assert tokens > 8_000
    assert error < 1e-5
    one_head_of_weights = 4 * tokens * tokens
    assert grown < one_head_of_weights / 2  # a layer's four heads as they are would be eight times this


@pytest.mark.parametrize("family", ["bert", "llama"])
def test_rows_of_every_flow_sum_to_one_whatever_the_turns(family: str) -> None:
    network = twin(family)
    chance = np.random.default_rng(5)
    for _ in range(12):
        lengths = tuple(int(n) for n in chance.integers(1, 9, chance.integers(1, 20)))
        window = talk_window(lengths, speakers=int(chance.integers(1, 6)), seed=int(chance.integers(1_000)))
        rendered = Rendered((window,), len(lengths), tuple("abcdef"), len(window), False)
        (found,) = analyse(network.model, [rendered], token_budget=999, options=CaptureOptions(flow_heads=True))
        for flow in (found.flow, found.flow_heads):
            assert flow is not None
            assert np.abs(flow.sum(-1) - 1).max() < 1e-5
