"""A conversation under attention that is known by construction has the analytic value of every metric and every lift.

The conversation: one special token, then T turns of m tokens each, two speakers by turns. Token i > 0 is word r of turn
t, with i = 1 + t m + r, and the model is causal.
"""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from attention.definitions import METRIC_NAMES
from attention.kernels import AttentionCall, KeyGroups, Layout, RowRequest, VisibleKeys, attend, visibility
from attention.measure.metrics import Folded, HeadSums, fold
from attention.reductions.reduce import sum_rows

T, M = 7, 5
N = 1 + T * M
TURN = (np.arange(N) - 1) // M  # -1 for the special token
SPEAKER = np.where(TURN >= 0, TURN % 2, -1)
GROUPS = KeyGroups((TURN + 1).astype(np.int32), np.arange(T, dtype=np.int32), (np.arange(T) % 2).astype(np.int32))
NAN = math.nan


def measured(scores: torch.Tensor, visible_keys: tuple[VisibleKeys, ...] | None = None) -> Folded:
    """Metrics of two heads with these scores (N, N)."""
    layout = Layout.of(visible_keys or visibility.causal([(0, N)]), (GROUPS,), N)
    query = scores.expand(1, 2, -1, -1)
    key = torch.eye(N).expand(1, 2, -1, -1)
    call = AttentionCall(query, key, key, layout, RowRequest(turns=True), scaling=1.0)
    rows = call.empty_layers(1)
    attend(call, rows.layer(0))
    sums, counts = sum_rows(rows, layout, of_turns=False).heads[0].numpy()
    return fold([HeadSums(sums[:, None, 0], counts[:, None, 0])], turns=True)


def mean(values: Callable[[int], float], first: int = 0) -> float:
    """Over rows i from `first` on."""
    return float(np.mean([values(i) for i in range(first, N)]))


def later(values: Callable[[int, int, int], float]) -> float:
    """Mean of a value of (i, t, r) over the tokens of turns after the first."""
    return float(np.mean([values(i, (i - 1) // M, (i - 1) % M) for i in range(1 + M, N)]))


# Under uniform attention over the i visible words: m words of each of the t turns before.
UNIFORM = {
    "cross_turn": later(lambda i, t, _: t * M / i),
    "cross_speaker": later(lambda i, t, _: (t + 1) // 2 * M / i),
    "own_history": later(lambda i, t, _: t // 2 * M / i),
}


def local(by_distance: Callable[[int], float]) -> dict[str, float]:
    """The shares that a mean weight for each distance gives alone."""

    def share(of: Callable[[int, int], bool]) -> float:
        def row(i: int, t: int, _: int) -> float:
            weights = {j: by_distance(i - j) for j in range(1, i + 1)}
            return sum(w for j, w in weights.items() if of(t, int(TURN[j]))) / sum(weights.values())

        return later(row)

    return {
        "cross_turn": share(lambda t, b: b != t),
        "cross_speaker": share(lambda t, b: (b - t) % 2 == 1),
        "own_history": share(lambda t, b: b != t and (b - t) % 2 == 0),
    }


def check(found: Folded, expected: dict[str, float], left_out: int) -> None:
    assert set(expected) == set(METRIC_NAMES)
    for name, value in expected.items():
        assert found.document[name] == pytest.approx(value, rel=2e-5, abs=1e-4, nan_ok=True), name
        assert found.heads[name][0] == pytest.approx([value, value], rel=2e-5, abs=1e-4, nan_ok=True), name
    assert found.left_out_rows == left_out


def lifts(shares: dict[str, float], expected: dict[str, float], suffix: str) -> dict[str, float]:
    return {f"{name}_{suffix}": shares[name] / base if base > 0 else NAN for name, base in expected.items()}


def test_uniform_attention() -> None:
    # At distance d the pairs are those of rows d to N - 1, with the weight 1 / (i + 1) each.
    at = [float(np.mean([1 / (i + 1) for i in range(d, N)])) for d in range(N)]
    expected = {
        "distance": mean(lambda i: i / 2),
        "distance_without_sink": mean(lambda i: (i - 1) / 2, 1),
        "distance_spread": mean(lambda i: math.sqrt(((i + 1) ** 2 - 1) / 12)),
        "entropy": mean(lambda i: math.log(i + 1)),
        "entropy_without_sink": mean(math.log, 1),
        "dispersion": 1.0,
        "interdependency": 1.0,
        "sink": mean(lambda i: 1 / (i + 1), 1),
        "scaffold": mean(lambda i: 1 / (i + 1)),
        "null_mass": 0.0,
        **UNIFORM,
        "turn_distance": later(lambda i, t, _: M * t * (t + 1) / 2 / i),
        **lifts(UNIFORM, UNIFORM, "lift"),
        **lifts(UNIFORM, local(lambda d: at[d]), "lift_local"),
    }
    check(measured(torch.zeros(N, N)), expected, left_out=0)


def test_attention_to_the_previous_token() -> None:
    crossing = {"cross_turn": 1 / M, "cross_speaker": 1 / M, "own_history": 0.0}  # only a turn's first word crosses
    expected = {
        "distance": (N - 1) / N,
        "distance_without_sink": 1.0,
        "distance_spread": 0.0,
        "entropy": 0.0,
        "entropy_without_sink": 0.0,
        "dispersion": 0.0,
        "interdependency": 0.0,
        "sink": 1 / (N - 1),
        "scaffold": 2 / N,
        "null_mass": 0.0,
        **crossing,
        "turn_distance": 1 / M,
        **lifts(crossing, UNIFORM, "lift"),
        # At distance 1 every pair has all its row's weight; at distance 0 one row of N has.
        "cross_turn_lift_local": 1 + 1 / N,
        "cross_speaker_lift_local": 1 + 1 / N,
        "own_history_lift_local": NAN,
    }
    scores = torch.zeros(N, N)
    scores[torch.arange(1, N), torch.arange(N - 1)] = 200.0
    check(measured(scores), expected, left_out=2)


def test_attention_to_the_first_token() -> None:
    expected = dict.fromkeys(METRIC_NAMES, NAN) | {
        "distance": (N - 1) / 2,
        "distance_spread": 0.0,
        "entropy": 0.0,
        "dispersion": 0.0,
        "sink": 1.0,
        "scaffold": 1.0,
        "null_mass": 0.0,
    }
    scores = torch.zeros(N, N)
    scores[:, 0] = 200.0  # nothing at all is left for the words, so that no share of them is defined
    check(measured(scores), expected, left_out=2 * (N - 1))


def own_words(i: int) -> list[int]:
    """How far back each visible word of the same speaker lies from word i; the special token has itself."""
    return [i - j for j in range(i + 1) if SPEAKER[j] == SPEAKER[i]]


BACKS = [own_words(i) for i in range(N)]
OWN = later(lambda i, t, _: t // 2 * M / len(BACKS[i]))
SAME_SPEAKER = {
    "distance": mean(lambda i: float(np.mean(BACKS[i]))),
    "distance_without_sink": mean(lambda i: float(np.mean(BACKS[i])), 1),
    "distance_spread": mean(lambda i: float(np.std(BACKS[i]))),
    "entropy": mean(lambda i: math.log(len(BACKS[i]))),
    "entropy_without_sink": mean(lambda i: math.log(len(BACKS[i])), 1),
    "sink": 0.0,
    "scaffold": 1 / N,  # the special token's own row
    "null_mass": 0.0,
    "cross_turn": OWN,
    "cross_speaker": 0.0,
    "own_history": OWN,
    "turn_distance": later(lambda i, t, _: M * (t // 2) * (t // 2 + 1) / len(BACKS[i])),
}
SAME_SPEAKER_SCORES = torch.from_numpy(np.where(SPEAKER[:, None] == SPEAKER, 200.0, 0.0)).float()


def test_even_attention_to_the_same_speaker_alone() -> None:
    at = np.zeros(N)
    for back in BACKS:
        at[back] += 1 / len(back)
    at /= N - np.arange(N)  # every pair of a row and a key before it
    shares = {name: SAME_SPEAKER[name] for name in UNIFORM}
    expected = SAME_SPEAKER | {
        "dispersion": mean(lambda i: math.log(len(BACKS[i])) / math.log(i + 1), 1),
        "interdependency": mean(lambda i: np.mean(BACKS[i]) * math.log(len(BACKS[i])) / ((i - 1) / 2 * math.log(i)), 2),
        **lifts(shares, UNIFORM, "lift"),
        **lifts(shares, local(lambda d: float(at[d])), "lift_local"),
    }
    assert expected["own_history_lift"] > 1.5
    assert expected["cross_speaker_lift"] == expected["cross_speaker_lift_local"] == 0
    check(measured(SAME_SPEAKER_SCORES), expected, left_out=0)


def test_a_mask_that_hides_other_speakers_leaves_no_preference() -> None:
    """Uniform attention over what is visible: other speakers and the special token are not."""
    visible = np.tril(SPEAKER[:, None] == SPEAKER)
    at, pairs = np.zeros(N), np.zeros(N)
    for back in BACKS:
        at[back] += 1 / len(back)
        pairs[back] += 1
    at /= np.maximum(pairs, 1)

    def own_by_distance(i: int, t: int, _: int) -> float:
        weights = [(at[back], TURN[i - back] != t) for back in BACKS[i]]
        return float(sum(w for w, other in weights if other) / sum(w for w, _ in weights))

    base = later(own_by_distance)
    expected = SAME_SPEAKER | {
        "dispersion": 1.0,
        "interdependency": 1.0,
        "cross_turn_lift": 1.0,
        "cross_speaker_lift": NAN,
        "own_history_lift": 1.0,
        "cross_turn_lift_local": OWN / base,
        "cross_speaker_lift_local": NAN,
        "own_history_lift_local": OWN / base,
    }
    visible_keys = visibility.from_mask(torch.from_numpy(visible)[None, None], [(0, N)])
    check(measured(torch.zeros(N, N), visible_keys), expected, left_out=0)
