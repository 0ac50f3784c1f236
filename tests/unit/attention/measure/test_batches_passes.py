"""Rows of like length share a pass, and a padded pass keeps within its budget."""

import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attention.measure.batches import PADDED_SHARE, PASS_TOKENS, estimate_tokens, passes


@given(st.lists(st.integers(1, 600), max_size=60), st.integers(1, 2000))
def test_every_row_is_in_exactly_one_pass_and_no_shared_pass_exceeds_the_budget(
    lengths: list[int], budget: int
) -> None:
    grouped = passes(lengths, budget)
    assert sorted(index for one in grouped for index in one) == list(range(len(lengths)))
    for one in grouped:
        assert len(one) == 1 or len(one) * max(lengths[index] for index in one) <= budget


@given(st.lists(st.integers(1, 600), min_size=2, max_size=60), st.integers(1, 2000))
def test_a_pass_holds_neighbours_in_length_only(lengths: list[int], budget: int) -> None:
    grouped = passes(lengths, budget)
    for longer, shorter in pairwise(grouped):
        assert min(lengths[index] for index in longer) >= max(lengths[index] for index in shorter)


@given(st.lists(st.integers(1, 600), min_size=1, max_size=60), st.integers(1, 20_000))
def test_a_pass_is_padded_by_a_twentieth_or_by_less_than_another_pass_would_cost(
    lengths: list[int], budget: int
) -> None:
    for one in passes(lengths, budget):
        size = len(one) * max(lengths[index] for index in one)
        assert size - sum(lengths[index] for index in one) <= max(PASS_TOKENS, PADDED_SHARE * size)


def test_short_rows_do_not_ride_with_a_long_one() -> None:
    assert passes([512, 512, 90, 500, 100], 16_384) == [[0, 1, 3], [4, 2]]


def test_equal_rows_fill_a_pass_and_keep_their_order() -> None:
    assert passes([10, 10, 10, 10, 10], 25) == [[0, 1], [2, 3], [4]]


def test_a_row_longer_than_the_budget_goes_alone() -> None:
    assert passes([5, 100, 5], 20) == [[1], [0, 2]]


@pytest.mark.parametrize(("lengths", "budget"), [([0], 10), ([3, -1], 10), ([3], 0)])
def test_a_row_or_budget_without_tokens_is_an_error(lengths: list[int], budget: int) -> None:
    with pytest.raises(ValueError, match="at least"):
        passes(lengths, budget)


def test_an_estimate_is_never_below_one_token_and_grows_with_the_text() -> None:
    assert [estimate_tokens(characters) for characters in (0, 1, 30, 3000)] == [1, 1, 10, 1000]


def test_batches_conversations_and_transcripts_load_neither_torch_nor_transformers() -> None:
    script = (
        "import sys, attention.measure.batches, attention.text.rendering, formats.transcripts.read;"
        "print([name for name in ('torch', 'transformers', 'tokenizers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
