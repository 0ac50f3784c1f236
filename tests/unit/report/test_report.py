"""The report says what its numbers say."""

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from planted import planted_group

from attention.comparison.compare import compare
from attention.comparison.groups import ComparisonSettings
from attention.comparison.json_form import as_json
from attention.comparison.parts.effects import LayerMeans
from attention.comparison.study import Study
from report import build_report, findings, markdown, tidy_csv
from report.figures.printed import figure, figure_names
from report.wording import p_shown, shown, unbroken

NASTY = "</script><img src=x onerror=alert(1)>|`$x$"


@pytest.fixture(scope="module")
def study() -> Study:
    groups = [
        planted_group("conversation", size=14, shift=0.6),
        planted_group("code", size=12, conversation=False),
        planted_group(NASTY, size=10, conversation=False, shift=0.2),
    ]
    groups[1].skipped = {"too-short": 3}
    return compare(groups)


@pytest.fixture(scope="module")
def result(study: Study) -> dict:
    return as_json(study)


@pytest.fixture(scope="module")
def page(study: Study) -> str:
    return build_report(study, {"seed": 0, "groups": [{"name": NASTY}]}, {"hearken": "0.1.0"})


def _at(result: dict, path: tuple) -> object:
    for key in path:
        result = result[key]
    return result


def test_every_sentence_shows_the_numbers_it_rests_on(study: Study, result: dict):
    found = findings(study)
    assert len(found) >= 10
    for finding in found:
        assert finding.evidence
        for path in finding.evidence:
            value = _at(result, path)
            said = str(value) if isinstance(value, int) else shown(value)
            assert said in finding.text, (finding.text, path, value)


def test_highest_and_lowest_are_the_highest_and_lowest(study: Study, result: dict):
    said = {finding.title: finding for finding in findings(study)}
    for metric in ("distance", "entropy", "sink"):
        cells = result["overall"][metric]
        _, _, highest, _ = said[metric.capitalize()].evidence[0]
        _, _, lowest, _ = said[metric.capitalize()].evidence[3]
        assert cells[highest]["mean"] == max(cell["mean"] for cell in cells.values())
        assert cells[lowest]["mean"] == min(cell["mean"] for cell in cells.values())


def test_counts_of_differences_are_counted_from_the_table(study: Study, result: dict):
    said = next(finding.text for finding in findings(study) if finding.title == "Differences overall")
    tested = [p for p in result["pairs"] if p["level"] == "overall" and p["p"] is not None]
    passed = [p for p in tested if p["p_adjusted"] < 0.05]
    assert said.startswith(f"{len(passed)} of {len(tested)} ")


def test_the_group_said_to_be_larger_is_larger(study: Study, result: dict):
    finding = next(finding for finding in findings(study) if finding.title == "Largest difference")
    pair = _at(result, finding.evidence[0][:2])
    larger = pair["a"] if pair["delta"] > 0 else pair["b"]
    assert f"a document of {larger} has the larger value" in finding.text
    tested = [p for p in result["pairs"] if p["level"] == "overall" and p["p"] is not None and p["p_adjusted"] < 0.05]
    assert abs(pair["delta"]) == max(abs(p["delta"]) for p in tested)


def test_where_nothing_passes_nothing_is_claimed():
    groups = [planted_group(name, seed=8, metrics=["distance"], size=8) for name in "ab"]
    study = compare(groups)
    assert min(pair.p_adjusted for pair in study.pairs) >= 0.05
    said = " ".join(finding.text for finding in findings(study))
    assert "None of 1 comparisons" in said
    assert "furthest apart" not in said


def test_the_page_needs_nothing_but_itself(page: str):
    without_library = re.sub(r"<script>/\*\*\n\* plotly\.js.*?</script>", "", page, flags=re.S)
    assert len(without_library) < 1_000_000
    assert page.count("* plotly.js v") == 1
    assert not re.search(r"<(?:link|img|iframe|script)[^>]+(?:src|href)=", without_library)
    assert "default-src 'none'" in page


def test_a_group_s_name_cannot_become_markup(page: str, study: Study):
    assert "<img src=x" not in page
    figures = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.S).group(1)
    assert "curve:distance" in json.loads(figures)
    assert "<img" not in markdown(study, {}, {})


def test_every_warning_and_every_skipped_document_is_on_the_page(page: str, result: dict):
    assert "too-short</td><td>3" in page
    assert len(result["warnings"]) == page.count('<p class="note">') - 1  # one note is on interdependency
    assert "2403.05045" in page


def test_the_long_table_has_every_number_to_its_last_digit(study: Study, result: dict):
    rows = list(csv.DictReader(io.StringIO(tidy_csv(study))))
    mean = [
        row
        for row in rows
        if (row["table"], row["level"], row["metric"], row["group"], row["quantity"])
        == ("means", "overall", "distance", "code", "mean")
    ]
    assert [float(row["value"]) for row in mean] == [result["overall"]["distance"]["code"]["mean"]]
    epsilon = [row for row in rows if row["quantity"] == "epsilon_squared" and row["metric"] == "entropy"]
    assert len(epsilon) == 2 * 3
    assert sum(row["quantity"] == "p_adjusted" and row["table"] == "pairs" for row in rows) == len(result["pairs"])


def test_figures_of_every_kind_are_drawn_and_repeat_their_bytes(study: Study):
    names = figure_names(study)
    chosen = ["curve-distance", "forest-distance", "heads-distance", "heat-distance", "map-embedding", "map-profile"]
    assert set(chosen) <= set(names)
    for name in chosen:
        svg = figure(study, name, "svg")
        assert svg.startswith(b"<?xml")
        assert svg == figure(study, name, "svg")
    assert figure(study, "curve-distance", "png").startswith(b"\x89PNG")
    assert figure(study, "curve-distance", "pdf").startswith(b"%PDF")
    with pytest.raises(KeyError):
        figure(study, "no-such", "svg")


def test_a_map_of_a_layer_says_so_wherever_it_is_shown():
    settings = ComparisonSettings(by_head=False, separability=False, maps=("profile",), map_layers=(1,))
    found = compare([planted_group("a"), planted_group("b")], settings)
    assert [name for name in figure_names(found) if name.startswith("map-")] == ["map-profile", "map-profile-layer-1"]
    assert b"attention profiles, layer 1" in figure(found, "map-profile-layer-1", "svg").replace(b"\n", b" ")
    assert "by attention profiles, layer 1 keeps" in markdown(found, {}, {})
    page = build_report(found, {}, {})
    assert "Attention profiles, layer 1</h3>" in page
    assert "documents by attention profiles, layer 1: 16 of a" in page


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0"),
        (12.345, "12.3"),
        (-0.01234, "−0.0123"),
        (1234.5, "1,234"),
        (1e-9, "1.00e−09"),
        (1.0, "1.00"),
    ],
)
def test_numbers_are_shown_to_three_digits(value: float | None, text: str):
    assert shown(value) == text


def test_no_line_ends_inside_an_interval_or_a_p():
    text = unbroken("delta 0.5 [0.1, 0.9], adjusted p < 0.001 [of x]")
    assert text == "delta 0.5 [0.1,\u00a00.9], adjusted p\u00a0<\u00a00.001 [of\u00a0x]"


def test_p_is_never_shown_as_nothing():
    assert [p_shown(p) for p in (None, 0.0, 0.0004, 0.0123, 1.0)] == [
        "p not defined",
        "p < 0.001",
        "p < 0.001",
        "p = 0.012",
        "p = 1",
    ]


def test_a_heading_names_few_groups_and_counts_many(page: str, study: Study):
    assert "`$x$, code and conversation</h1>" in page
    many = tuple(replace(study.groups[0], name=f"group {number}") for number in range(7))
    cells = {group.name: study.overall["distance"]["code"] for group in many}
    wide = replace(
        study,
        groups=many,
        overall=dict.fromkeys(study.metrics, cells),
        layers=(LayerMeans(layer=0, metrics=dict.fromkeys(study.metrics, cells)),),
        pairs=(),
        heads=None,
        separability=(),
        maps=(),
        parts_first={},
    )
    assert "<h1>7 groups of documents</h1>" in build_report(wide, {}, {})
