"""The benchmarks compare like with like: the other way's metrics are the same numbers, and rows say what they show."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from attention.measure.capture import capture
from attention.measure.metrics import fold
from benchmarks.networks import forward, llama, minilm, words
from benchmarks.paired import paired
from benchmarks.peers import maps_then_metrics
from benchmarks.table import Row, line, write


@pytest.mark.parametrize("build", [lambda: llama(2), minilm], ids=["llama", "minilm"])
def test_the_other_way_computes_the_same_metrics(build: object) -> None:
    trio = build()  # type: ignore[operator]
    windows = [words(tokens, trio.model.facts.vocabulary, seed=tokens) for tokens in (40, 23)]
    theirs = maps_then_metrics(trio, windows)
    for place, measure in enumerate(capture(trio.model, windows)):
        ours = fold([measure.sums], turns=False).heads
        for layer, metrics in enumerate(theirs):
            for name, values in metrics.items():
                np.testing.assert_allclose(ours[name][layer], values[place], rtol=1e-3, atol=1e-3, err_msg=name)


def test_the_three_networks_share_their_weights_and_agree() -> None:
    trio = llama(2)
    windows = [words(31, trio.model.facts.vocabulary)]
    plain, eager = (forward(network, windows).last_hidden_state for network in (trio.plain, trio.eager))
    captured = forward(trio.model.network, windows).last_hidden_state
    torch.testing.assert_close(plain, eager, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(plain, captured, rtol=1e-4, atol=1e-4)
    pointers = {next(network.parameters()).data_ptr() for network in (trio.plain, trio.eager, trio.model.network)}
    assert len(pointers) == 1


def test_ratios_are_of_what_ran_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    first = [0.0, 2.0, 2.0, 3.0]  # ours takes 2 seconds, then theirs 1
    second = [3.0, 5.0, 5.0, 8.0]  # theirs takes 2, then ours 3
    clock = iter(first + second)
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    found = paired(lambda: None, lambda: None, rounds=2)
    assert (found.ratio, found.lowest, found.highest) == (1.75, 1.5, 2.0)
    assert (found.ours, found.theirs, found.rounds) == (2.5, 1.5, 2)


def test_results_are_kept_with_machine_and_verdict(tmp_path: Path) -> None:
    rows = [
        Row("a", "b", 1.2, "times", "x", target=1.15),
        Row("c", "d", 5.0, "times faster", "y", target=4.0, at_least=True),
        Row("e", "f", None, "times faster", "not installed", target=2.0, at_least=True),
    ]
    assert [row.met for row in rows] == [False, True, None]
    assert "at most 1.15: missed" in line(rows[0])
    facts = {
        "when": "2030-01-01T00:00:00+00:00",
        "processor": "p",
        "cores": 2,
        "threads": 2,
        "memory_gb": 1,
        "gpu": None,
    }
    facts |= {"load_before": 0.0, "python": "3", "kernel": "blocked", "versions": {"torch": "2"}}
    data, page = write(tmp_path, facts, rows, quick=False)
    assert json.loads(data.read_text())["rows"][1]["met"] is True
    assert "| c | d | 5.00 times faster | at least 4: met | y |" in page.read_text()
