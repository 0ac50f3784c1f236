"""What was found, in plain sentences. Each carries the numbers it rests on and where they stand in the result."""

from collections.abc import Iterator
from dataclasses import dataclass

from attention.comparison.study import Study
from report.pairs import overall_pairs, place_in_result
from report.wording import (
    SIGNIFICANT,
    SPACE,
    drawn_metrics,
    effect_shown,
    mean_shown,
    metric_name,
    p_shown,
    share,
    shown,
    space_of,
    unit,
)

Path = tuple[str | int, ...]

_LEADING = ("distance", "entropy", "dispersion", "interdependency", "sink", "cross_speaker")


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence; `evidence` are the paths into the result of the numbers that the sentence shows."""

    title: str
    text: str
    evidence: tuple[Path, ...]


def findings(result: Study) -> list[Finding]:
    """The result's main findings, most general first; a finding that the numbers do not carry is not written."""
    return [
        *_overall(result),
        *_extremes(result),
        *_lifts(result),
        *_heads(result),
        *_separability(result),
        *_maps(result),
    ]


def _overall(result: Study) -> Iterator[Finding]:
    tested = overall_pairs(result)
    if not tested:
        return
    passed = [pair for pair in tested if pair.p_adjusted < SIGNIFICANT]
    family = next(i for i, f in enumerate(result.families) if f.level == "overall" and f.kind == "pairs")
    first = max(tested, key=lambda pair: (pair.p_adjusted < SIGNIFICANT, abs(pair.delta), -pair.p_adjusted))
    at: Path = ("pairs", place_in_result(first, result.pairs))
    a, b = (first.a, first.b) if first.delta >= 0 else (first.b, first.a)
    chance = (1 + abs(first.delta)) / 2
    effect = (
        f"Cliff's delta of {first.a} against {first.b} is {effect_shown(first)}, adjusted {p_shown(first.p_adjusted)}"
    )
    evidence = tuple((*at, key) for key in ("delta", "low", "high"))
    if passed:
        yield Finding(
            "Differences overall",
            f"{len(passed)} of {len(tested)} comparisons of two groups on one metric differ after adjustment.",
            (("families", family, "tests"),),
        )
        yield Finding(
            "Largest difference",
            f"The groups lie furthest apart in {metric_name(first.metric)}: a document of {a} "
            f"has the larger value in {share(chance)} of pairs with one of {b}, ties counted half ({effect}).",
            evidence,
        )
    else:
        yield Finding(
            "Differences overall",
            f"None of {len(tested)} comparisons of two groups on one metric differs after adjustment. "
            f"The largest effect is in {metric_name(first.metric)} ({effect}).",
            (("families", family, "tests"), *evidence),
        )


def _extremes(result: Study) -> Iterator[Finding]:
    drawn = drawn_metrics(result)
    for metric in _LEADING:
        cells = result.overall.get(metric, {})
        means = {name: cell.mean for name, cell in cells.items() if cell.mean is not None}
        if metric not in drawn or len(means) < 2:
            continue
        lowest, highest = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
        size = f" {unit(metric)}" if unit(metric) else ""
        text = (
            f"Mean {metric_name(metric)} is highest in {highest}, {mean_shown(cells[highest])}{size}, "
            f"and lowest in {lowest}, {mean_shown(cells[lowest])}{size}."
        )
        paths = [("overall", metric, name, key) for name in (highest, lowest) for key in ("mean", "low", "high")]
        yield Finding(f"{metric_name(metric).capitalize()}", text, tuple(paths))


def _lifts(result: Study) -> Iterator[Finding]:
    for name, cell in result.overall.get("cross_speaker_lift", {}).items():
        if cell.mean is None or cell.low is None or cell.high is None:
            continue
        if cell.low > 1:
            said = "more than uniform attention would"
        elif cell.high < 1:
            said = "less than uniform attention would"
        else:
            said = "no differently from uniform attention, as far as the interval can tell"
        yield Finding(
            f"Turns of others in {name}",
            f"In {name}, attention goes to other speakers' turns {said}: cross speaker lift {mean_shown(cell)}, "
            "where 1 is uniform.",
            tuple(("overall", "cross_speaker_lift", name, key) for key in ("mean", "low", "high")),
        )


def _heads(result: Study) -> Iterator[Finding]:
    heads = result.heads or {}
    tests = [
        (metric, layer, head, epsilon, p)
        for metric, found in heads.items()
        for layer, rows in enumerate(zip(found.epsilon_squared, found.p_adjusted, strict=True))
        for head, (epsilon, p) in enumerate(zip(*rows, strict=True))
        if epsilon is not None and p is not None
    ]
    if not tests:
        return
    passed = [test for test in tests if test[4] < SIGNIFICANT]
    family = next(i for i, f in enumerate(result.families) if f.level == "head")
    yield Finding(
        "Selective heads",
        f"{len(passed)} of {len(tests)} tests of one head on one metric tell the groups apart after adjustment.",
        (("families", family, "tests"),),
    )
    if passed:
        metric, layer, head, epsilon, _ = max(passed, key=lambda test: test[3])
        yield Finding(
            "Most selective head",
            f"The most selective is head {head} of layer {layer} in {metric_name(metric)}: the group accounts for "
            f"{epsilon:.0%} of the variance of its ranks (epsilon squared {shown(epsilon)}; familywise "
            f"{p_shown(heads[metric].p_familywise[layer][head])}).",
            (("heads", metric, "epsilon_squared", layer, head),),
        )


def _separability(result: Study) -> Iterator[Finding]:
    for index, found in enumerate(result.separability):
        chance = found.accuracy_permuted
        if found.layer is not None or chance is None:
            continue
        beyond = "above" if chance.p < SIGNIFICANT else "not above"
        yield Finding(
            f"Separation by {SPACE[found.space]}",
            f"From {SPACE[found.space]} a classifier finds a held-out document's group with balanced accuracy "
            f"{shown(found.accuracy)}, {beyond} what permuted labels allow (mean "
            f"{shown(chance.mean)}, 95th percentile "
            f"{shown(chance.p95)}, {p_shown(chance.p)}).",
            (
                ("separability", index, "accuracy"),
                ("separability", index, "accuracy_permuted", "mean"),
                ("separability", index, "accuracy_permuted", "p95"),
            ),
        )
    for space, layer in result.parts_first.items():
        if layer is not None:
            yield Finding(
                f"Where {SPACE[space]} part",
                f"The first layer whose {SPACE[space]} tell the groups apart beyond chance is layer {layer}.",
                (("parts_first", space),),
            )


def _maps(result: Study) -> Iterator[Finding]:
    for index, drawn in enumerate(result.maps):
        yield Finding(
            f"Map of {space_of(drawn)}",
            f"The map of {len(drawn.points)} documents by {space_of(drawn)} keeps neighbourhoods with "
            f"trustworthiness {shown(drawn.trustworthiness)} (1 is perfect); distances between far groups mean "
            "nothing.",
            (("maps", index, "trustworthiness"),),
        )
