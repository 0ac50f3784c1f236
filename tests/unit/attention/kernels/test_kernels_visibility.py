"""What queries see is read rightly from every kind of mask, and uniform expectations equal sums over the matrix."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import groups_of, visible_keys_of
from transformers.masking_utils import (
    causal_mask_function,
    chunked_causal_mask_function,
    sliding_window_bidirectional_mask_function,
    sliding_window_causal_mask_function,
)

from attention.kernels import MaskRule, Reach, VisibleKeys
from attention.kernels.blocked import diagonal_sums
from attention.kernels.distance_baseline import by_distance_alone
from attention.kernels.uniform_baseline import uniform

N = 19
QUERY, KEY = np.arange(N)[:, None], np.arange(N)


def read(rule: MaskRule, tokens: int) -> tuple[VisibleKeys, ...]:
    """Of one sequence."""
    found = rule.read([(0, tokens)])
    return (found.visible_keys(0, tokens),) if isinstance(found, Reach) else found


@pytest.mark.parametrize(
    ("function", "seen"),
    [
        (causal_mask_function, KEY <= QUERY),
        (sliding_window_causal_mask_function(4), (KEY <= QUERY) & (KEY > QUERY - 4)),
        (sliding_window_bidirectional_mask_function(3), abs(QUERY - KEY) <= 3),
        (chunked_causal_mask_function(5, torch.tensor([0])), (KEY <= QUERY) & (KEY // 5 == QUERY // 5)),
        (lambda _b, _h, q, k: (k <= q) & ((q + k) % 3 == 0), (KEY <= QUERY) & ((QUERY + KEY) % 3 == 0)),
    ],
)
@pytest.mark.parametrize("by_element", [False, True])
def test_a_mask_rule_is_read_as_it_evaluates(function: object, seen: np.ndarray, by_element: bool) -> None:
    rule = MaskRule(function, None, by_element, torch.device("cpu"))  # type: ignore[arg-type]
    (found,) = read(rule, N)
    np.testing.assert_array_equal(found.matrix(), seen)
    (part,) = read(rule, 11)
    np.testing.assert_array_equal(part.matrix(), seen[:11, :11])


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from(["causal", "bidirectional", "sliding", "local", "holes", "blind"]),
    tokens=st.integers(1, 40),
    turns=st.integers(0, 6),
    window=st.integers(1, 9),
    seed=st.integers(0, 1000),
)
def test_closed_forms_equal_sums_over_the_matrix(kind: str, tokens: int, turns: int, window: int, seed: int) -> None:
    groups = groups_of(tokens, turns, np.random.default_rng(seed))
    (short,) = visible_keys_of(kind, [(0, tokens)], window)
    matrix = VisibleKeys(0, short.first, short.last, short.matrix())
    found, expected = uniform(short, groups), uniform(matrix, groups)
    for field in dataclasses.fields(found):
        np.testing.assert_allclose(
            getattr(found, field.name), getattr(expected, field.name), atol=1e-12, err_msg=field.name
        )
    weights = torch.rand(2, tokens, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    weights[:, torch.from_numpy(found.pairs == 0)] = 0
    mean = weights / torch.from_numpy(found.pairs).clamp(min=1)
    torch.testing.assert_close(by_distance_alone(mean, short, groups), by_distance_alone(mean, matrix, groups))


@settings(max_examples=20, deadline=None)
@given(rows=st.integers(1, 9), keys=st.integers(1, 12), low=st.integers(0, 9), first=st.integers(0, 9))
def test_diagonals_are_summed_by_offset(rows: int, keys: int, low: int, first: int) -> None:
    p = torch.rand(2, rows, keys, dtype=torch.float64)
    sums, offsets = diagonal_sums(p, low, first)
    expected = torch.zeros_like(sums)
    for r in range(rows):
        for c in range(keys):
            expected[:, c - r + rows - 1] += p[:, r, c]
            assert offsets[c - r + rows - 1] == (first + c) - (low + r)
    torch.testing.assert_close(sums, expected)
