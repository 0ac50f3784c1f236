"""Rows are gathered on disk: in order, whatever their number; a group above the limits is known before it is held."""

import random
import resource
import time

import pytest

from formats.datasets import gathering
from formats.datasets.gathering import Gathering, Shared


@pytest.fixture(autouse=True)
def _little_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "MOST_GROUPS_AT_HAND", 3)
    monkeypatch.setattr(gathering, "MOST_ROWS_WAITING", 4)


def gathered(gathering: Gathering) -> list[tuple[str, list[object]]]:
    """Every group and its rows."""
    return [(group.key, list(group.rows)) for group in gathering.groups()]


@pytest.mark.parametrize("groups", [1, 3, 4, 50])
def test_groups_come_in_order_of_their_first_rows_and_rows_as_they_were_added(groups: int) -> None:
    choose = random.Random(groups)
    added = [(f"g{choose.randrange(groups)}", [number, f"row {number}"]) for number in range(300)]
    rows = Gathering(1_000, 1_000_000)
    for key, row in added:
        assert rows.add(key, row, 5) is None
    expected: dict[str, list[object]] = {}
    for key, row in added:
        expected.setdefault(key, []).append(row)
    assert gathered(rows) == list(expected.items())
    rows.close()


def test_keys_and_rows_come_back_as_they_were() -> None:
    rows = Gathering(10, 1_000)
    keys = ["", "a\x00b", "é", "\ud800 alone", "x" * 500]
    for key in keys:
        rows.add(key, [key, None, 0.5, {"n": [1]}], 1)
    assert gathered(rows) == [(key, [[key, None, 0.5, {"n": [1]}]]) for key in keys]
    rows.close()


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ((2, 1_000), "more than 2 turns; that is the limit"),
        ((1_000, 25), "more than 25 characters; that is the limit"),
    ],
)
def test_a_group_above_a_limit_is_told_once_and_let_go(limits: tuple[int, int], told: str) -> None:
    rows = Gathering(*limits)
    answers = []
    for number in range(20):
        answers.append(rows.add("long", [number], 10))
        rows.add(f"other {number}", [number], 10)
    assert answers == [None, None, told, *17 * [None]]
    assert gathered(rows) == [(f"other {number}", [[number]]) for number in range(20)]
    rows.close()


def test_what_rows_have_beside_their_text_is_bounded_too() -> None:
    rows = Gathering(10, 1_000)
    row = ["x" * 20_000]
    assert [rows.add("a", row, 1) for _ in range(3)] == [
        None,
        None,
        "more than 48960 bytes with what its rows have beside their text; that is the limit",
    ]
    rows.close()


def test_what_is_told_of_a_group_comes_with_it_and_what_is_told_of_none_is_counted() -> None:
    rows = Gathering(10, 1_000)
    rows.describe("a", {"n": 1})
    rows.add("a", ["row"], 1)
    rows.add("b", ["row"], 1)
    rows.describe("a", {"n": 2})
    rows.describe("c", {"n": 3})
    assert [(group.key, group.facts) for group in rows.groups()] == [("a", {"n": 1}), ("b", None)]
    assert (rows.told("c"), rows.told("d"), rows.described_in_vain()) == ({"n": 3}, None, 1)
    rows.close()


def test_values_that_rows_share_are_kept_once_until_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "MOST_SHARED", 2)
    shared = Shared()
    kept = [shared.kept((name,)) for name in "abcab"]
    assert kept == [0, 1, ("c",), 0, 1]
    assert [shared.value(each) for each in kept] == [("a",), ("b",), ("c",), ("a",), ("b",)]


def test_values_that_rows_share_are_kept_in_memory_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "MOST_SHARED_BYTES", 10)
    shared = Shared()
    assert [shared.kept((name,)) for name in ("aaaaaa", "bbbbbb", "aaaaaa")] == [0, ("bbbbbb",), 0]


def test_what_a_row_costs_does_not_grow_with_how_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert _seconds(40_000) < 12 * _seconds(8_000) + 0.5


def test_memory_does_not_grow_with_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    rows = Gathering(10_000, 100_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(30_000):
        rows.add(str(number % 300), ["x" * 5_000], 5_000)
    assert sum(len(group.rows) for group in rows.groups()) == 30_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 80 << 10  # KiB; the rows have 150 MB
    rows.close()


def _seconds(count: int) -> float:
    """Processor time to gather so many rows, two of each group and far from each other."""
    began = time.process_time()
    rows = Gathering(10, 1_000)
    for number in range(count):
        rows.add(str(number % (count // 2)), ["some words"], 10)
    assert sum(len(group.rows) for group in rows.groups()) == count
    rows.close()
    return time.process_time() - began
