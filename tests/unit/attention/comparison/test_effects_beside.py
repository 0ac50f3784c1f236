"""First windows beside whole documents: what differs is named with both numbers, and nothing else is."""

from dataclasses import replace

import numpy as np
import pytest
from planted import planted_group

from attention.comparison.compare import compare
from attention.comparison.first_window import NAMED, effects_beside, first_window_caution
from attention.comparison.groups import ComparisonSettings, Group
from attention.comparison.parts.repeated import Beside, Difference
from attention.comparison.study import Study
from attention.definitions import METRIC_NAMES

PLAIN = ComparisonSettings(by_head=False, separability=False, maps=())
METRICS = ("distance", "entropy", "dispersion", "sink", "cross_turn")


def group(name: str, shifts: dict[str, float], model: str = "model", seed: int = 0) -> Group:
    """Twenty documents, each metric of which is moved by its own shift."""
    made = planted_group(name, size=20, metrics=METRICS, model=model, seed=seed)
    made.overall = {metric: values + shifts.get(metric, 0) for metric, values in made.overall.items()}
    return made


def compared(a: dict[str, float], b: dict[str, float] | None = None, models: tuple[str, str] = ("m", "m")) -> Study:
    return compare([group("a", a, models[0]), group("b", b or {}, models[1])], PLAIN)


@pytest.fixture(scope="module")
def effects() -> dict[str, Beside]:
    whole = compared({"distance": 9, "entropy": 9, "dispersion": 9})
    first = compared({"distance": -9, "entropy": 9, "sink": -9, "dispersion": 0})
    return {one.metric: one for one in effects_beside(whole, first)}


@pytest.mark.parametrize(
    ("metric", "differs"),
    [
        ("distance", "turned"),
        ("entropy", None),
        ("dispersion", "document-only"),
        ("sink", "first-window-only"),
        ("cross_turn", None),
    ],
)
def test_an_effect_differs_where_it_turns_or_is_significant_in_one_alone(
    effects: dict[str, Beside], metric: str, differs: Difference | None
) -> None:
    assert effects[metric].differs == differs


def test_both_deltas_and_both_p_are_those_of_the_two_comparisons(effects: dict[str, Beside]) -> None:
    assert (effects["distance"].delta, effects["distance"].first_delta) == (1, -1)
    assert effects["distance"].p_adjusted < 1e-6
    assert effects["cross_turn"].p_adjusted > 0.05
    assert list(effects) == list(METRICS)


def test_the_caution_names_metric_pair_and_both_deltas(effects: dict[str, Beside]) -> None:
    caution = first_window_caution(list(effects.values()))
    assert caution is not None
    assert caution.code == "first-window-differs"
    assert "in 3 effects" in caution.message
    assert "opposite sign in the first window: distance of a and b (1; −1)." in caution.message
    near_zero = f"{effects['sink'].delta:.2g}".replace("-", "−")
    assert f"the first window only: sink of a and b ({near_zero}; −1)." in caution.message
    assert "entropy" not in caution.message
    assert "more are marked" not in caution.message


def test_where_both_say_the_same_there_is_no_caution() -> None:
    same = compared({"distance": 9})
    assert first_window_caution(effects_beside(same, same)) is None


def test_of_many_the_largest_changes_are_named_and_the_others_counted() -> None:
    made = [
        Beside(
            metric=metric,
            a="a",
            b="b",
            paired=False,
            delta=0.5,
            p_adjusted=0.001,
            first_delta=0.5 - number / 40,
            first_p_adjusted=0.9,
            differs="document-only",
        )
        for number, metric in enumerate(METRIC_NAMES)
    ]
    caution = first_window_caution(made)
    assert caution is not None
    assert f"in {len(made)} effects" in caution.message
    assert f"{len(made) - NAMED} more are marked" in caution.message
    assert METRIC_NAMES[-1] in caution.message
    assert " distance of a and b" not in caution.message
    assert " sink of a and b" not in caution.message


def constant(value: float) -> Study:
    """Two groups whose documents all have the same distance."""
    groups = [group("a", {}), group("b", {})]
    for one in groups:
        one.overall = {**one.overall, "distance": np.full(20, value)}
    return compare(groups, PLAIN)


def test_an_effect_that_is_not_defined_in_both_or_tested_in_neither_says_nothing() -> None:
    others = [metric for metric in METRICS if metric != "distance"]
    whole = compared({"distance": 9})
    assert [one.metric for one in effects_beside(whole, constant(np.nan))] == others
    assert [one.metric for one in effects_beside(constant(1.0), constant(1.0))] == others
    assert [one.metric for one in effects_beside(whole, constant(1.0))] == list(METRICS)
    assert effects_beside(whole, constant(1.0))[0].differs == "document-only"


def test_of_the_same_documents_under_two_models_the_paired_effects_are_read() -> None:
    whole = compared({"distance": 0.9}, models=("one", "two"))
    first = compared({"distance": -0.9}, models=("one", "two"))
    assert whole.paired
    found = effects_beside(whole, first)
    assert [one.metric for one in found] == list(METRICS)
    assert all(one.paired for one in found)
    assert found[0].delta == next(one.delta for one in whole.paired if one.layer is None)
    unpaired = replace(whole, paired=())
    assert found[0].delta != effects_beside(unpaired, unpaired)[0].delta
