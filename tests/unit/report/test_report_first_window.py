"""The report sets every effect over the document beside the one in the first window, and counts what differs."""

import csv
import io
import re
from dataclasses import replace
from typing import Any

import pytest
from planted import planted_group

from attention.comparison.compare import compare
from attention.comparison.first_window import compare_first_windows, first_window_caution, of_first_windows
from attention.comparison.groups import ComparisonSettings, Group
from attention.comparison.json_form import as_json
from attention.comparison.parts.repeated import FirstWindow, Refused
from attention.comparison.study import Study
from report import build_report, markdown, tidy_csv
from report.first_window import first_window_rows, first_window_text
from report.wording import fixed

SETTINGS = ComparisonSettings(by_head=False, separability=False, maps=())


def quiet(_step: str) -> None:
    return None


def planted(name: str, shift: float, seed: int) -> Group:
    return planted_group(name, size=20, shift=shift, metrics=("distance", "entropy", "sink"), seed=seed)


@pytest.fixture(scope="module")
def study() -> Study:
    """Groups that differ over the document, whose first windows differ the other way round."""
    groups = [planted("code", 1.0, 0), planted("talk", 0.0, 0), planted("web", 0.5, 0)]
    whole = compare(groups, SETTINGS)
    for one, shift in zip(groups, (-1.0, 0.0, 0.5), strict=True):
        one.first_windows = planted(one.name, shift, 1).layers
    found = compare_first_windows(whole, groups, SETTINGS, quiet)
    assert isinstance(found, FirstWindow)
    caution = first_window_caution(found.effects)
    assert caution is not None
    return replace(whole, warnings=(*whole.warnings, caution), first_window=found)


@pytest.fixture(scope="module")
def result(study: Study) -> dict[str, Any]:
    return as_json(study)


def test_a_group_of_first_windows_has_the_mean_of_the_layers_over_all(result: dict[str, Any]) -> None:
    group = planted("talk", 0.0, 1)
    group.first_windows = group.layers
    made = of_first_windows(group)
    assert made.overall["distance"] == pytest.approx(group.layers["distance"].mean(axis=1), rel=1e-12)
    assert (made.heads, made.embeddings) == (None, None)
    assert result["first_window"]["overall"]["distance"]["talk"]["mean"] == pytest.approx(
        made.overall["distance"].mean(), rel=1e-12
    )


def test_every_row_shows_both_deltas_and_marks_what_differs(study: Study, result: dict[str, Any]) -> None:
    rows = {row[0]: row for row in first_window_rows(study)}
    assert len(rows) == 3 * 3
    over = {(p["metric"], p["a"], p["b"]): p for p in result["pairs"] if p["level"] == "overall"}
    first = {(p["metric"], p["a"], p["b"]): p for p in result["first_window"]["pairs"] if p["level"] == "overall"}
    for (metric, a, b), pair in over.items():
        row = rows[f"{metric}: {a} – {b}"]
        assert (row[1], row[3]) == (fixed(pair["delta"]), fixed(first[metric, a, b]["delta"]))
        turned = pair["p_adjusted"] < 0.05 and pair["delta"] * first[metric, a, b]["delta"] < 0
        assert (row[5] == "sign turned") == turned
    assert rows["distance: code – talk"][5] == "sign turned"


def test_what_differs_stands_first(study: Study) -> None:
    marks = [row[5] for row in first_window_rows(study)]
    assert all(marks[: len([mark for mark in marks if mark])])


def test_the_counts_in_the_sentence_are_those_of_the_pairs(study: Study, result: dict[str, Any]) -> None:
    _, said = first_window_text(study)
    over, first = (
        {(p["metric"], p["a"], p["b"]): p for p in found["pairs"] if p["level"] == "overall"}
        for found in (result, result["first_window"])
    )
    passed = {name for name, pair in over.items() if pair["p_adjusted"] < 0.05}
    passed_first = {name for name, pair in first.items() if pair["p_adjusted"] < 0.05}
    both = {n for n in passed & passed_first if over[n]["delta"] * first[n]["delta"] > 0}
    turned = {n for n in passed if over[n]["delta"] * first[n]["delta"] < 0}
    numbers = [int(number) for number in re.findall(r"\b(\d+) (?:effects|have|in the first|of those)", said)]
    assert numbers == [len(over), len(passed), len(passed_first), len(both), len(turned)]
    assert len(turned) >= 3


def test_page_and_text_have_the_table_and_the_caution(study: Study, result: dict[str, Any]) -> None:
    page, text = build_report(study, {}, {}), markdown(study, {}, {})
    caution = result["warnings"][-1]["message"]
    assert caution in page
    assert "First window beside the whole document" in page
    assert page.count("sign turned") == text.count("sign turned") >= 3
    assert "## First window beside the whole document" in text
    assert "| effect | over the document | adjusted p | first window | adjusted p | differs |" in text


def test_the_long_table_has_means_and_effects_of_the_first_window(study: Study, result: dict[str, Any]) -> None:
    rows = [row for row in csv.DictReader(io.StringIO(tidy_csv(study))) if row["table"] == "first window"]
    found = result["first_window"]
    means = {
        (row["metric"], row["layer"], row["group"]): float(row["value"]) for row in rows if row["quantity"] == "mean"
    }
    assert len(means) == 3 * (1 + 2) * 3
    assert means["entropy", "", "web"] == found["overall"]["entropy"]["web"]["mean"]
    assert means["entropy", "1", "web"] == found["layers"][1]["entropy"]["web"]["mean"]
    deltas = {
        (row["level"], row["metric"], row["layer"], row["group"], row["other_group"]): float(row["value"])
        for row in rows
        if row["quantity"] == "delta"
    }
    assert len(deltas) == len(found["pairs"])
    pair = found["pairs"][0]
    assert deltas["overall", pair["metric"], "", pair["a"], pair["b"]] == pair["delta"]


def test_without_a_first_window_nothing_is_said_of_it_and_a_refusal_is_told(study: Study) -> None:
    without = replace(study, first_window=None, warnings=())
    for text in (build_report(without, {}, {}), markdown(without, {}, {}), tidy_csv(without)):
        assert "irst window" not in text
    groups = [planted("code", 1.0, 0), planted("talk", 0.0, 0)]
    whole = compare(groups, SETTINGS)
    groups[0].first_windows = groups[0].layers
    refused = compare_first_windows(whole, groups, SETTINGS, quiet)
    assert refused == Refused(refused="no first window was measured in talk")
    told = replace(whole, first_window=refused)
    for text in (build_report(told, {}, {}), markdown(told, {}, {})):
        assert "Not made, because no first window was measured in talk." in text
