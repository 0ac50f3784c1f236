"""Do the statistics keep their promises? `python -m benchmarks.calibration [--runs 400] [--out FOLDER]`.

Documents are drawn from populations whose truth is known. Their values are skewed (log-normal in part), and layers and
heads of a document go together, as those of measured documents do. Three promises are put to the test:

- one population split at random: any adjusted p below 0.05, at each level, in at most 5% of comparisons;
- intervals of the mean cover the true mean in 95% of cases, from 60 documents a group;
- a shift of 1.2 standard deviations in 3 of 144 heads, one metric, 60 documents a group, is found.
"""

import argparse
import os
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from attention.comparison.compare import compare
from attention.comparison.groups import ComparisonSettings, Group
from attention.comparison.parts.effects import Grid
from attention.comparison.study import Study
from benchmarks.machine import machine

Floats = NDArray[np.float64]
RESULTS = Path(__file__).parent / "results"
METRICS = ("distance", "entropy", "interdependency", "sink")
PLANTED = ((1, 3), (5, 0), (10, 7))
SKEW = 0.5  # sigma of the log-normal part


def documents(count: int, layers: int, heads: int, random: np.random.Generator) -> Floats:
    """Values of documents by head, each of mean 0 and variance 1: half of the variance is the document's. (n, L, H)"""
    own = np.exp(SKEW * random.normal(size=(count, 1, 1)))
    rest = np.exp(SKEW * random.normal(size=(count, layers, heads)))
    mean, deviation = np.exp(SKEW**2 / 2), np.sqrt((np.exp(SKEW**2) - 1) * np.exp(SKEW**2))
    return np.asarray((own - mean) / deviation * np.sqrt(0.5) + (rest - mean) / deviation * np.sqrt(0.5))


def group(name: str, values: dict[str, Floats]) -> Group:
    size = next(iter(values.values())).shape[0]
    return Group(
        name=name,
        model="planted",
        analysis_ids=[f"{name}{number}" for number in range(size)],
        overall={metric: array.mean(axis=(1, 2)) for metric, array in values.items()},
        layers={metric: array.mean(axis=2) for metric, array in values.items()},
        heads=values,
    )


def settings(seed: int) -> ComparisonSettings:
    return ComparisonSettings(seed=seed, separability=False, maps=(), bootstrap=1000)


def alarms(result: Study) -> dict[str, bool]:
    """Whether any adjusted p is below 0.05, by level and kind of test; and the familywise check over heads."""
    found: dict[str, bool] = {}
    for level, layered in (("overall", False), ("layer", True)):
        found[f"{level}, pairs"] = any(below(p.p_adjusted) for p in result.pairs if (p.layer is not None) == layered)
    heads = result.heads or {}
    found["head, Kruskal-Wallis"] = any(bool(below(tests.p_adjusted).any()) for tests in heads.values())
    for metric, tests in heads.items():
        found[f"head, largest statistic of {metric}"] = bool(below(tests.p_familywise).any())
    return found


def below(p: float | Grid | None) -> NDArray[np.bool_]:
    """Where p is below 0.05; nowhere where it is not defined."""
    return np.asarray(p, np.float64) < 0.05  # None is read as NaN


def no_difference(runs: int, size: int) -> tuple[dict[str, float], float]:
    """Share of runs with an alarm where there is nothing, and the share of intervals that cover the true mean, 0."""
    count: dict[str, int] = defaultdict(int)
    covered = total = 0
    for run in range(runs):
        random = np.random.default_rng([run, size])
        values = [{metric: documents(size, 6, 12, random) for metric in METRICS} for _ in range(2)]
        result = compare([group("a", values[0]), group("b", values[1])], settings(run))
        for name, alarm in alarms(result).items():
            count[name] += alarm
        levels = [result.overall, *(layer.metrics for layer in result.layers)]
        for mean in (mean for level in levels for groups in level.values() for mean in groups.values()):
            covered += mean.low is not None and mean.high is not None and mean.low <= 0 <= mean.high
            total += 1
    return {name: alarm / runs for name, alarm in count.items()}, covered / total


def planted_shift(runs: int, size: int, shift: float) -> tuple[float, float, float]:
    """Share of runs in which all three heads are found, share of the heads found, and false discovery rate."""
    whole = found = 0
    false_rate = 0.0
    for run in range(runs):
        random = np.random.default_rng([run, size, 1])
        a, b = documents(size, 12, 12, random), documents(size, 12, 12, random)
        for layer, head in PLANTED:
            b[:, layer, head] += shift
        result = compare([group("a", {"distance": a}), group("b", {"distance": b})], settings(run))
        assert result.heads is not None
        claimed = below(result.heads["distance"].p_adjusted)
        true = np.zeros_like(claimed)
        true[tuple(np.transpose(PLANTED))] = True
        whole += bool(claimed[true].all())
        found += int(claimed[true].sum())
        false_rate += (claimed & ~true).sum() / max(1, claimed.sum())
    return whole / runs, found / (3 * runs), false_rate / runs


def page(runs: int) -> str:
    began = time.monotonic()
    limit = stats.binom.ppf(0.975, runs, 0.05) / runs
    lines = ["| promise | case | measured | kept |", "|---|---|---|---|"]

    def row(promise: str, case: str, measured: str, kept: bool) -> None:
        lines.append(f"| {promise} | {case} | {measured} | {'yes' if kept else 'no'} |")

    for size in (16, 60):
        rates, coverage = no_difference(runs, size)
        for name, rate in rates.items():
            row(
                f"alarm where nothing is, at most 5% (+ binomial error: {limit:.1%})",
                f"{size} documents a group, {name}",
                f"{rate:.2%}",
                rate <= limit,
            )
        promise = "95% intervals cover 93% to 97%" if size >= 60 else "95% intervals, marked approximate here"
        row(
            promise,
            f"{size} documents a group, overall and layers",
            f"{coverage:.2%}",
            size < 60 or 0.93 <= coverage <= 0.97,
        )
    whole, each, false_rate = planted_shift(runs, 60, 1.2)
    row(
        "three shifted heads of 144 found in at least 90% of runs",
        "60 documents a group, 1.2 standard deviations",
        f"all three in {whole:.2%}, each in {each:.2%}",
        whole >= 0.9,
    )
    row("false discoveries at most 5%", "the same", f"{false_rate:.2%}", false_rate <= 0.05)
    facts = machine()
    head = [
        "# Calibration of the comparisons",
        "",
        f"`python -m benchmarks.calibration --runs {runs}`: {runs} comparisons a case, "
        f"{(time.monotonic() - began) / 60:.0f} minutes on {facts['processor']}; {facts['when'][:10]}. Half of each "
        f"value is the document's own and half the head's, both log-normal (sigma {SKEW}); cases without a difference "
        f"compare {len(METRICS)} metrics over 6 x 12 heads.",
        "",
    ]
    return "\n".join([*head, *lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.calibration", description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    text = page(options.runs)
    (options.out / "calibration.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
