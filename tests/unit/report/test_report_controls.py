"""Controls stand beside every effect: over all layers, in each layer, and in the lines of the figures."""

import csv
import io
from dataclasses import replace
from typing import Any

import pytest
from planted import planted_group

from attention.comparison.compare import compare
from attention.comparison.controls import compare_control
from attention.comparison.groups import ComparisonSettings
from attention.comparison.json_form import as_json, from_json
from attention.comparison.parts.repeated import Refused
from attention.comparison.study import Study
from report import build_report, markdown, tidy_csv
from report.figures.charts import charts
from report.figures.control_lines import control_keys
from report.figures.layered import MOST_DRAWN, layer_charts, layer_table
from report.matrix import MOST_COLUMNS, matrix
from report.summary import summary
from report.wording import fixed, shown

METRICS = ("distance", "dispersion", "interdependency", "sink", "cross_turn")
LAYERS = 3


def groups(seed: int, shifts: tuple[float, ...]) -> list[Any]:
    names = ("conversation", "code", "web")
    return [
        planted_group(name, size=9, layers=LAYERS, shift=shift, seed=seed, metrics=METRICS)
        for name, shift in zip(names, shifts, strict=True)
    ]


@pytest.fixture(scope="module")
def study() -> Study:
    settings = ComparisonSettings(maps=())
    controls = {
        "shuffled_turns": Refused(refused="group 'code' has 0 usable documents"),
        "untrained": compare_control(groups(1, (0.9, 0.0, 0.0)), settings, lambda _: None),
    }
    return replace(compare(groups(0, (1.5, 0.0, 0.3)), settings), controls=controls)


@pytest.fixture(scope="module")
def result(study: Study) -> Any:
    return as_json(study)


def at(result: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        result = result[key]
    return result


def test_a_control_has_everything_by_layer_that_the_comparison_has(result: Any) -> None:
    control = result["controls"]["untrained"]
    assert [row["layer"] for row in control["layers"]] == list(range(LAYERS))
    for part, keys in (("pairs", ("metric", "layer", "a", "b")), ("separability", ("space", "layer"))):
        assert [[one[key] for key in keys] for one in control[part]] == [
            [one[key] for key in keys] for one in result[part]
        ]
    assert {one["level"]: one["tests"] for one in control["families"]} == {"overall": 15, "layer": 15 * LAYERS}
    refused = compare_control(groups(1, (0.9, 0.0, 0.0))[:1], ComparisonSettings(), lambda _: None)
    assert refused == Refused(refused="a comparison needs at least two groups")


def test_every_number_of_a_control_is_in_the_long_table(study: Study, result: Any) -> None:
    rows = [row for row in csv.DictReader(io.StringIO(tidy_csv(study))) if row["table"] == "control: untrained"]
    control = result["controls"]["untrained"]
    means = {
        (row["layer"], row["metric"], row["group"]): float(row["value"]) for row in rows if row["quantity"] == "mean"
    }
    assert len(means) == (1 + LAYERS) * len(METRICS) * 3
    assert means["2", "sink", "web"] == control["layers"][2]["sink"]["web"]["mean"]
    assert means["", "sink", "web"] == control["overall"]["sink"]["web"]["mean"]
    assert sum(row["quantity"] == "p_adjusted" for row in rows) == len(control["pairs"])
    accuracies = {(row["space"], row["layer"]): row["value"] for row in rows if row["quantity"] == "accuracy"}
    assert accuracies == {
        (one["space"], "" if one["layer"] is None else str(one["layer"])): repr(one["accuracy"])
        for one in control["separability"]
    }
    assert sum(row["quantity"] == "accuracy_permuted_p95" for row in rows) == len(control["separability"])


def test_the_table_of_layers_sets_each_effect_beside_the_control_s(study: Study, result: Any) -> None:
    table = layer_table(study)
    assert table["controls"] == ["random weights"]
    assert (len(table["rows"]), table["left"]) == (3 * len(METRICS) * LAYERS, 0)
    adjusted = [row["pair"].p_adjusted for row in table["rows"]]
    assert adjusted == sorted(adjusted)
    for row in table["rows"]:
        pair = row["pair"]
        (same,) = [
            one
            for one in result["controls"]["untrained"]["pairs"]
            if all(one[key] == getattr(pair, key) for key in ("metric", "layer", "a", "b"))
        ]
        assert row["controls"] == [fixed(same["delta"])]


def test_lines_of_a_control_are_its_means_and_are_not_shown_at_first(study: Study, result: Any) -> None:
    assert control_keys(study) == [{"toggle": "control:untrained", "name": "random weights", "dash": "1.5 3"}]
    drawn = charts(study)
    lines = [line for line in drawn["curve:distance"]["data"] if "control:untrained" in line["meta"]]
    control = result["controls"]["untrained"]["layers"]
    names = [group["name"] for group in result["groups"]]
    assert [line["y"] for line in lines] == [[row["distance"][name]["mean"] for row in control] for name in names]
    accuracies = [
        one["accuracy"]
        for one in result["controls"]["untrained"]["separability"]
        if one["space"] == "profile" and one["layer"] is not None
    ]
    assert [line["y"] for line in drawn["separability:profile"]["data"] if line.get("meta")] == [accuracies]
    page = build_report(study, {}, {})
    assert page.count('class="key added" aria-pressed="false"') == 3  # curves, effects by layer, separation
    assert "Press a control" in page


def test_figures_of_layers_begin_with_the_largest_effect(study: Study, result: Any) -> None:
    drawn = layer_charts(study)
    assert len(drawn) == 3 * len(METRICS) <= MOST_DRAWN
    largest = max((pair for pair in result["pairs"] if pair["level"] == "overall"), key=lambda pair: abs(pair["delta"]))
    name, chart = next(iter(drawn.items()))
    assert name == f"layers:{largest['metric'].replace('_', ' ')}: {largest['a']} – {largest['b']}"
    layers = [
        pair["delta"]
        for pair in result["pairs"]
        if pair["level"] == "layer" and all(pair[key] == largest[key] for key in ("metric", "a", "b"))
    ]
    assert chart["data"][-1]["y"] == layers
    assert all(shown(delta) in chart["alt"] for delta in layers)


def test_every_number_on_top_of_the_page_is_one_of_the_result(study: Study, result: Any) -> None:
    facts = summary(study)
    assert len(facts) == 5
    for fact in facts:
        for path in fact.evidence:
            value = at(result, path)
            assert (str(value) if isinstance(value, int) else shown(value)) in fact.number + fact.text, (fact, path)
    tested = [pair for pair in result["pairs"] if pair["level"] == "overall"]
    assert facts[0].number == f"{sum(pair['p_adjusted'] < 0.05 for pair in tested)} of {len(tested)}"
    largest, left = (at(result, path)["delta"] for path in (facts[1].evidence[0][:2], facts[2].evidence[1][:4]))
    assert abs(largest) == max(abs(pair["delta"]) for pair in tested if pair["p_adjusted"] < 0.05)
    assert facts[2].number == f"{shown(largest)} → {shown(left)}"


def test_where_nothing_is_found_the_top_names_no_largest_difference() -> None:
    alike = [planted_group(name, seed=8, metrics=["distance"], size=8) for name in "ab"]
    facts = summary(compare(alike, ComparisonSettings(maps=(), by_head=False)))
    assert facts[0].number == "0 of 1"
    assert not any("larger" in fact.text for fact in facts)


def test_the_table_of_effects_has_every_tested_pair_once(study: Study, result: Any) -> None:
    made = matrix(study)
    assert made["columns"] == ["code – conversation", "code – web", "conversation – web"]
    assert [row["metric"] for row in made["rows"]] == list(result["metrics"])
    cells = [cell for row in made["rows"] for cell in row["cells"]]
    overall = [pair for pair in study.pairs if pair.level == "overall"]
    assert sorted(map(id, cells)) == sorted(map(id, overall))
    many = tuple(replace(overall[0], a=f"a{number}") for number in range(MOST_COLUMNS + 1))
    assert matrix(replace(study, pairs=many)) == {"columns": [], "rows": []}


def test_results_of_controls_without_layers_can_still_be_read(result: Any) -> None:
    whole = result["controls"]["untrained"]
    older = {
        "groups": whole["groups"],
        "overall": whole["overall"],
        "pairs": [pair for pair in whole["pairs"] if pair["level"] == "overall"],
        "separability": [
            {key: value for key, value in one.items() if key != "layer"}
            for one in whole["separability"]
            if one["layer"] is None
        ],
    }
    stored = from_json(Study, {**result, "controls": {"untrained": older}})
    rows = [row for row in csv.DictReader(io.StringIO(tidy_csv(stored))) if row["table"] == "control: untrained"]
    assert {row["level"] for row in rows} == {"overall"}
    assert "accuracy from attention profiles" in markdown(stored, {}, {})
    assert "With controls" in build_report(stored, {}, {})


def test_metrics_that_a_control_lacks_are_left_empty(study: Study) -> None:
    again = groups(1, (0.9, 0.0, 0.0))
    fewer = replace(ComparisonSettings(maps=()), metrics=("distance",))
    stored = replace(study, controls={"untrained": compare_control(again, fewer, lambda _: None)})
    (line, *_) = [line for line in charts(stored)["curve:sink"]["data"] if "control:untrained" in line["meta"]]
    assert line["y"] == [None] * LAYERS
    lacking = [row for row in layer_table(stored)["rows"] if row["pair"].metric == "sink"]
    assert {value for row in lacking for value in row["controls"]} == {"–"}
