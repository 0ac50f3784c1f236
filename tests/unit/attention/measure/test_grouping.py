"""Documents of a claim are grouped so that each group is the work of one forward pass."""

from hypothesis import given
from hypothesis import strategies as st

from attention.measure.grouping import padded_share, pass_sized_groups

documents = st.lists(st.lists(st.integers(1, 512), min_size=1, max_size=8), min_size=1, max_size=40)


@given(documents, st.integers(16, 4096))
def test_every_document_is_in_one_group_and_every_group_fits_a_pass(windows: list[list[int]], budget: int) -> None:
    groups = pass_sized_groups(windows, budget)
    assert sorted(index for group in groups for index in group) == list(range(len(windows)))
    for group in groups:
        lengths = [length for index in group for length in windows[index]]
        if len(group) > 1:
            assert len(lengths) * max(lengths) <= budget


def test_like_lengths_share_a_pass_and_the_longest_comes_first() -> None:
    assert pass_sized_groups([[10], [100], [12], [90], [11]], 200) == [[1, 3], [2, 4, 0]]


def test_the_padded_share_counts_what_is_computed_for_nothing() -> None:
    assert padded_share([10, 10, 5], 30) == (1, 1 - 25 / 30)
    assert padded_share([10, 10, 5], 20) == (2, 0.0)
    assert padded_share([100, 100, 5], 300) == (2, 0.0)
