"""What stands on top of the page: a few numbers, each with the sentence that says what it is."""

from collections.abc import Iterator
from dataclasses import dataclass

from attention.comparison.study import Study
from report.controls import CONTROL, effect_name, made
from report.pairs import DefinedPair, overall_pairs, place_in_result
from report.wording import SIGNIFICANT, SPACE, effect_shown, metric_name, share, shown

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """One number large, and what it means; `evidence` are the paths into the result of the numbers in it."""

    number: str
    text: str
    evidence: tuple[Path, ...]


def summary(result: Study) -> list[Fact]:
    """How many differences, the largest of them, what controls leave of it, and how well the groups separate."""
    return [*_differences(result), *_controls(result), *_separations(result)]


def _differences(result: Study) -> Iterator[Fact]:
    tested = overall_pairs(result)
    if not tested:
        return
    passed = [pair for pair in tested if pair.p_adjusted < SIGNIFICANT]
    family = next(i for i, f in enumerate(result.families) if f.level == "overall" and f.kind == "pairs")
    yield Fact(
        f"{len(passed)} of {len(tested)}",
        f"comparisons of two groups on one metric differ: their adjusted p is below {SIGNIFICANT}.",
        (("families", family, "tests"),),
    )
    largest = _largest(result)
    if largest is not None:
        at: Path = ("pairs", place_in_result(largest, result.pairs))
        a, b = (largest.a, largest.b) if largest.delta >= 0 else (largest.b, largest.a)
        yield Fact(
            share((1 + abs(largest.delta)) / 2),
            f"of pairs of one document of {a} and one of {b} have the larger {metric_name(largest.metric)} in {a}, "
            f"ties counted half. No difference found is larger (Cliff's delta of {largest.a} against "
            f"{largest.b}: {effect_shown(largest)}).",
            tuple((*at, key) for key in ("delta", "low", "high")),
        )


def _largest(result: Study) -> DefinedPair | None:
    """The largest of the differences that were found."""
    passed = [pair for pair in overall_pairs(result) if pair.p_adjusted < SIGNIFICANT]
    return max(passed, key=lambda pair: (abs(pair.delta), -pair.p_adjusted), default=None)


def _separations(result: Study) -> Iterator[Fact]:
    for index, found in enumerate(result.separability):
        chance = found.accuracy_permuted
        if found.layer is not None or chance is None:
            continue
        yield Fact(
            shown(found.accuracy),
            f"is the balanced accuracy of telling a held-out document's group by {SPACE[found.space]}. "
            f"With permuted labels it is {shown(chance.mean)} in the mean, and {shown(chance.p95)} at the 95th "
            "percentile.",
            (
                ("separability", index, "accuracy"),
                ("separability", index, "accuracy_permuted", "mean"),
                ("separability", index, "accuracy_permuted", "p95"),
            ),
        )


def _controls(result: Study) -> Iterator[Fact]:
    """What each control leaves of the largest difference."""
    largest = _largest(result)
    if largest is None:
        return
    left: list[tuple[str, float, Path]] = []
    for name, control in made(result).items():
        for index, pair in enumerate(control.pairs):
            if effect_name(pair) == effect_name(largest) and pair.delta is not None:
                left.append((name, pair.delta, ("controls", name, "pairs", index, "delta")))
    if left:
        strongest = max(left, key=lambda one: one[1] * largest.delta)
        said = "; ".join(f"{CONTROL[name]} {shown(delta)}" for name, delta, _ in left)
        measured = place_in_result(largest, result.pairs)
        yield Fact(
            f"{shown(largest.delta)} → {shown(strongest[1])}",
            f"is what becomes of that difference's Cliff's delta with {CONTROL[strongest[0]]}, the control that leaves "
            f"most of it ({said}). What stays as large under a control does not come from what it takes away.",
            (("pairs", measured, "delta"), *(path for *_, path in left)),
        )
