"""A batch made by whole arrays is what its windows are one by one, whatever their turns."""

import numpy as np
import pytest
import torch
from capture_networks import talk_window, text_window
from hypothesis import given, settings
from hypothesis import strategies as st

from attention.hook.batch import Batch
from attention.kernels import BatchGroups, KeyGroups, Layout
from attention.kernels.groups import NO_COLUMN
from attention.kernels.visibility import CAUSAL, Reach
from attention.text.documents import Window


def groups_of_one(window: Window) -> KeyGroups:
    """A window's tokens by group of keys, from the definition."""
    numbers = sorted(set(window.turn[window.turn >= 0].tolist()))
    column = [
        1 + numbers.index(turn) if turn >= 0 else 0 if scaffold else NO_COLUMN
        for turn, scaffold in zip(window.turn.tolist(), window.scaffold.tolist(), strict=True)
    ]
    speakers = [int(window.speaker[window.turn == number][0]) for number in numbers]
    return KeyGroups(np.array(column, np.int32), np.array(numbers, np.int32), np.array(speakers, np.int32))


def scrambled(tokens: int, turns: int, seed: int) -> Window:
    """Content of turns in any order, some coming back, some numbers never met, scaffold and special tokens anywhere."""
    rng = np.random.default_rng(seed)
    turn = np.repeat(rng.integers(-1, max(turns, 1), tokens), rng.integers(1, 5, tokens))[:tokens].astype(np.int32)
    if not turns:
        turn[:] = -1
    speakers = rng.integers(0, 3, max(turns, 1)).astype(np.int32)
    special = rng.random(tokens) < 0.1
    turn[special] = -1
    return Window(
        ids=rng.integers(0, 90, tokens),
        turn=turn,
        speaker=np.where(turn >= 0, speakers[turn], -1).astype(np.int32),
        scaffold=special | (rng.random(tokens) < 0.1) & (turn < 0),
        special=special,
    )


windows = st.lists(
    st.builds(scrambled, st.integers(1, 40), st.integers(0, 12), st.integers(0, 10_000)), min_size=1, max_size=6
)


@settings(max_examples=60, deadline=None)
@given(windows)
def test_every_window_of_a_batch_is_as_by_itself(given_windows: list[Window]) -> None:
    batch = Batch.of(given_windows)
    assert batch.ids.shape == (len(given_windows), max(map(len, given_windows)))
    turns = 0
    for row, window in enumerate(given_windows):
        n = len(window)
        assert batch.groups.length[row] == n
        np.testing.assert_array_equal(batch.ids[row, :n], window.ids)
        np.testing.assert_array_equal(batch.own[row, :n], ~window.special)
        np.testing.assert_array_equal(batch.real[row], np.arange(batch.ids.shape[1]) < n)
        expected, found = groups_of_one(window), batch.groups.each[row]
        for name in ("column", "turn_number", "turn_speaker"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)
        assert not batch.own[row, n:].any()
        assert (batch.groups.column[row, n:] == NO_COLUMN).all()
        counts = np.bincount(expected.query_turn[expected.query_turn >= 0], minlength=expected.turns)
        np.testing.assert_array_equal(batch.turn_tokens[turns : turns + expected.turns], counts)
        turns += expected.turns
    assert batch.groups.turns == turns


@settings(max_examples=60, deadline=None)
@given(windows)
def test_runs_and_rows_of_turns_are_those_of_each_sequence(given_windows: list[Window]) -> None:
    groups = Batch.of(given_windows).groups
    for row, group in enumerate(groups.each):
        own = groups.runs[groups.runs[:, 0] == row, 1:]
        np.testing.assert_array_equal(own, group.runs())
        for turn in range(group.turns):
            sequence, index, first, last = groups.turn_rows[groups.turn_offset[row] + turn]
            places = np.flatnonzero(group.query_turn == turn)
            assert (sequence, index, first, last) == (row, turn, places[0], places[-1] + 1)
    assert groups.flow_offset.tolist() == np.cumsum([0, *(g.turns * (g.turns + 1) for g in groups.each)]).tolist()


def test_the_parts_make_the_whole_again() -> None:
    groups = Batch.of([talk_window((4, 5, 3), speakers=2), text_window(9), scrambled(30, 7, 1)]).groups
    again = BatchGroups.of([(0, int(n)) for n in groups.length], groups.each, groups.tokens)
    for name in ("start", "length", "column", "turn_counts", "turn_number", "turn_speaker"):
        np.testing.assert_array_equal(getattr(again, name), getattr(groups, name), name)


@pytest.mark.parametrize("reach", [CAUSAL, Reach(3, 0), Reach(2, 2), Reach(None, None), Reach(4, None)], ids=str)
def test_a_layout_gives_kernels_what_each_sequence_sees(reach: Reach) -> None:
    groups = Batch.of([talk_window((4, 5, 3), speakers=2), text_window(9)]).groups
    layout = Layout(groups, reach)
    tables = layout.tables(torch.device("cpu"))
    for row, (keys, length) in enumerate(zip(layout.visible_keys, groups.length.tolist(), strict=True)):
        place, key = np.arange(length)[:, None], np.arange(length)
        seen = (key >= place - (length if reach.before is None else reach.before)) & (
            key <= place + (length if reach.after is None else reach.after)
        )
        np.testing.assert_array_equal(keys.matrix(), seen)
        np.testing.assert_array_equal(tables["first"][row, :length], keys.first)
        np.testing.assert_array_equal(tables["last"][row, :length], keys.last)
        assert not tables["last"][row, length:].any()
    assert layout.both_ways == (reach.after != 0)
    content = tables["content_runs"].numpy()
    offset = tables["content_offset"].tolist()
    for row, group in enumerate(groups.each):
        runs = group.runs()
        expected = [(a, b, c - 1, group.turn_speaker[c - 1]) for a, b, c in runs.tolist() if c > 0]
        assert [tuple(run) for run in content[offset[row] : offset[row + 1]].tolist()] == expected
