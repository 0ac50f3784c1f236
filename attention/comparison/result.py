"""What a comparison found, and its form in JSON."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attention.comparison.groups import Array, ComparisonSettings, Floats
from attention.comparison.spaces.maps import Map
from attention.comparison.spaces.separability import Measure, Separability
from attention.comparison.statistics.heads import HeadTests
from attention.comparison.statistics.means import Means


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """One group as it was used: `units` counts clusters where there are any, documents otherwise."""

    name: str
    model: str
    documents: int
    units: int
    clustered: bool
    skipped: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PairTest:
    """Two groups on one metric. `layer` is None overall. Positive `delta`: a's values are larger."""

    a: str
    b: str
    metric: str
    layer: int | None
    delta: float
    low: float
    high: float
    p: float
    p_adjusted: float
    test: str


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that a reader must know: `code` for programs, `message` for people."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Family:
    """The tests that were adjusted together: `level` overall, layer or head; `tests` is how many were made."""

    level: str
    kind: str
    tests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonResult:
    """Everything that `compare` found. Columns of `means` run metric by metric: overall, then layer 0 to L - 1."""

    settings: ComparisonSettings
    groups: list[GroupSummary]
    metrics: tuple[str, ...]
    depth: int
    means: dict[str, Means]
    pairs: list[PairTest]
    paired: list[PairTest]
    heads: dict[str, HeadTests]
    heads_adjusted: dict[str, Floats]
    head_test: str
    separability: list[Separability]
    parts_first: dict[str, int | None]
    maps: list[Map]
    families: list[Family]
    layers_matched: dict[str, list[int]]
    warnings: list[Warned]
    versions: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """The result as the comparison's JSON; undefined numbers are None."""
        settings = self.settings
        return {
            "groups": [
                {
                    "name": group.name,
                    "model": group.model,
                    "documents": group.documents,
                    "units": group.units,
                    "clustered": group.clustered,
                    "skipped": dict(sorted(group.skipped.items())),
                    "skipped_total": sum(group.skipped.values()),
                }
                for group in self.groups
            ],
            "metrics": list(self.metrics),
            "overall": {metric: self._interval(metric, 0) for metric in self.metrics},
            "layers": [
                {"layer": layer, **{metric: self._interval(metric, layer + 1) for metric in self.metrics}}
                for layer in range(self.depth)
            ],
            "pairs": [_pair(pair) for pair in self.pairs],
            "paired": [_pair(pair) for pair in self.paired],
            "heads": {
                metric: {
                    "epsilon_squared": listed(tests.epsilon_squared),
                    "p": listed(tests.p),
                    "p_adjusted": listed(self.heads_adjusted[metric]),
                    "p_familywise": listed(tests.p_familywise),
                    "means": {name: listed(mean) for name, mean in tests.means.items()},
                }
                for metric, tests in self.heads.items()
            }
            or None,
            "separability": [_separability(space) for space in self.separability],
            "parts_first": self.parts_first,
            "maps": [_map(drawn) for drawn in self.maps],
            "families": [
                {"level": family.level, "kind": family.kind, "tests": family.tests} for family in self.families
            ],
            "settings": {
                "seed": settings.seed,
                "confidence": settings.confidence,
                "interval": "studentised bootstrap",
                "bootstrap": settings.bootstrap,
                "permutations": settings.permutations,
                "head_permutations": settings.head_permutations,
                "pair_permutations": settings.pair_permutations,
                "head_test": self.head_test,
                "adjustment": "Benjamini-Hochberg within each level and kind of test",
                "separability_sample": settings.separability_sample,
            },
            "layers_matched": self.layers_matched,
            "warnings": [{"code": warned.code, "message": warned.message} for warned in self.warnings],
            "versions": self.versions,
        }

    def _interval(self, metric: str, level: int) -> dict[str, Any]:
        column = self.metrics.index(metric) * (1 + self.depth) + level
        return {
            name: {
                "mean": number(means.mean[column]),
                "low": number(means.low[column]),
                "high": number(means.high[column]),
                "documents": int(means.documents[column]),
            }
            for name, means in self.means.items()
        }


def number(value: float | np.floating[Any]) -> float | None:
    """A plain number, or None where it is undefined."""
    return float(value) if math.isfinite(value) else None


def listed(values: Array | NDArray[Any]) -> list[list[float | None]]:
    """(L, H) as rows of plain numbers, None where undefined."""
    return [[number(value) for value in row] for row in values]


def _pair(pair: PairTest) -> dict[str, Any]:
    return {
        "level": "overall" if pair.layer is None else "layer",
        "layer": pair.layer,
        "metric": pair.metric,
        "a": pair.a,
        "b": pair.b,
        "delta": number(pair.delta),
        "low": number(pair.low),
        "high": number(pair.high),
        "p": number(pair.p),
        "p_adjusted": number(pair.p_adjusted),
        "test": pair.test or None,
    }


def _separability(space: Separability) -> dict[str, Any]:
    found: dict[str, Any] = {
        "space": space.space,
        "layer": space.layer,
        "documents": space.documents,
        "dimensions": space.dimensions,
        "neighbours": space.neighbours,
        "folds": space.folds,
    }
    measures: dict[str, Measure | None] = {
        "silhouette": space.silhouette,
        "neighbour_purity": space.neighbour_purity,
        "accuracy": space.accuracy,
    }
    for name, measure in measures.items():
        found[name] = None if measure is None else number(measure.value)
        found[f"{name}_permuted"] = (
            None if measure is None else {"mean": measure.mean, "p95": measure.p95, "p": measure.p}
        )
    return found


def _map(drawn: Map) -> dict[str, Any]:
    points = zip(drawn.ids, drawn.groups, drawn.positions.tolist(), strict=True)
    return {
        "space": drawn.space,
        "layer": drawn.layer,
        "method": drawn.method,
        "perplexity": drawn.perplexity,
        "trustworthiness": drawn.trustworthiness,
        "trustworthiness_documents": drawn.trustworthiness_documents,
        "seed": drawn.seed,
        "points": [{"analysis_id": name, "group": group, "x": x, "y": y} for name, group, (x, y) in points],
    }
