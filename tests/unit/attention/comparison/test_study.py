"""The result of a comparison: the numbers that were stored before, in the same form."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from seeded_study import (
    CONTROLS,
    SETTINGS,
    control_groups,
    first_windows,
    stored,
    study_groups,
    tokens_per_word,
)

from attention.comparison.conduct import conduct_study
from attention.comparison.json_form import as_json, from_json
from attention.comparison.parts.documents import Windows
from attention.comparison.parts.repeated import ControlStudy, FirstWindow, Refused
from attention.comparison.study import Study

PLACES = {"x", "y", "trustworthiness"}
"""Of a map: t-SNE magnifies the last digits in which processors differ."""


def assert_same(found: Any, expected: Any, at: str = "") -> None:
    """The same JSON; numbers to nine digits, but for places on maps, silhouettes and versions."""
    if isinstance(expected, dict):
        assert list(found) == list(expected), at
        for name in expected.keys() - PLACES - {"versions"}:
            assert_same(found[name], expected[name], f"{at}/{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), at
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_same(one, other, f"{at}/{number}")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-7 if "silhouette" in at else 1e-12), at
    else:
        assert (found, type(found)) == (expected, type(expected)), at


def study_of_everything() -> Study:
    """The seeded groups with all that a request can ask for, as a notebook conducts it."""
    groups = study_groups()
    firsts, rates = first_windows(groups), tokens_per_word(groups)
    return conduct_study(
        [replace(one, first_windows=firsts[one.name], tokens_per_word=rates[one.name]) for one in groups],
        SETTINGS,
        first_window=True,
        layer_embeddings=True,
        controls={name: partial(control_groups, name) for name in CONTROLS},
        windows=Windows(characters=120, count=2, seed=3),
    )


def test_a_study_gives_the_numbers_that_were_stored() -> None:
    expected = stored("study.json")
    del expected["figures"]
    assert_same(as_json(study_of_everything()), expected)


def test_what_was_stored_is_read_and_written_without_a_change() -> None:
    expected = stored("study.json")
    study = from_json(Study, expected)
    assert json.dumps(as_json(study)) == json.dumps(expected)
    assert study.overall["distance"]["talk"].mean == expected["overall"]["distance"]["talk"]["mean"]
    assert study.layers[1].metrics["sink"]["code"].documents == 10
    assert study.pairs[0].level == "overall"
    assert isinstance(study.first_window, FirstWindow)
    assert study.first_window.effects[0].metric == "distance"
    assert study.controls is not None
    assert isinstance(study.controls["untrained"], ControlStudy)
    assert isinstance(study.controls["shuffled_turns"], Refused)
    assert study.windows == Windows(characters=120, count=2, seed=3)


def test_results_of_earlier_versions_lack_parts_and_are_read() -> None:
    now = stored("study.json")
    lacking = ("first_window", "distance_words", "windows", "figures", "families", "paired", "controls")
    early = from_json(Study, {name: part for name, part in now.items() if name not in lacking})
    assert (early.first_window, early.distance_words, early.windows, early.figures) == (None, None, None, None)
    assert (early.families, early.paired, early.controls) == ((), (), None)
    control = now["controls"]["untrained"]
    flat = {name: control[name] for name in ("groups", "overall", "pairs")}
    flat["separability"] = [
        {name: part for name, part in one.items() if name != "layer"}
        for one in control["separability"]
        if one["layer"] is None
    ]
    read = from_json(Study, {**now, "controls": {"untrained": flat}}).controls
    assert read is not None
    assert isinstance(read["untrained"], ControlStudy)
    assert (read["untrained"].layers, read["untrained"].families) == ((), ())
    assert {one.layer for one in read["untrained"].separability} == {None}


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"pairs": [{"layer": None}]}, "a PairTest lacks a, b, delta, high"),
        ({"first_window": {"effects": []}}, "none of FirstWindow, Refused: effects"),
        ({"settings": 3}, "a StatedSettings is no object"),
    ],
)
def test_what_is_no_result_is_refused_with_what_it_lacks(broken: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        from_json(Study, {**stored("study.json"), **broken})


def test_the_types_of_a_result_load_nothing_that_calculates() -> None:
    heavy = "{'numpy', 'scipy', 'sklearn', 'torch', 'pydantic'}"
    script = f"import sys, attention.comparison.study; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
