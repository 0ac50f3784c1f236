"""The result of a comparison: the numbers that were stored before, in the same form."""

from typing import Any

import pytest
from tests.unit.comparison.seeded_study import SETTINGS, stored, study_groups

from attention.comparison import compare

PLACES = {"x", "y", "trustworthiness"}
"""Of a map: t-SNE magnifies the last digits in which processors differ."""


def assert_same(found: Any, expected: Any, at: str = "") -> None:
    """The same JSON; numbers to nine digits, but for a map's places and the versions of packages."""
    if isinstance(expected, dict):
        assert list(found) == list(expected), at
        for name in expected.keys() - PLACES - {"versions"}:
            assert_same(found[name], expected[name], f"{at}/{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), at
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_same(one, other, f"{at}/{number}")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12), at
    else:
        assert (found, type(found)) == (expected, type(expected)), at


def test_a_comparison_gives_the_numbers_that_were_stored() -> None:
    expected = stored("study.json")
    found = compare(study_groups(), SETTINGS).as_dict()
    expected["warnings"] = [one for one in expected["warnings"] if one["code"] != "first-window-differs"]
    assert_same(found, {name: expected[name] for name in found})
