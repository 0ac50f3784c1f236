"""The groups measured again under a control, in as much detail as stands beside an effect: overall, without maps."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from attention.comparison import ComparisonSettings, Group, compare
from attention.comparison.alignment import matched_by_depth
from attention.comparison.groups import Space, canonical
from attention.comparison.separability import Measure, Sample, separability
from attention.comparison.spaces import available
from attention.errors import ComparisonRefused

SPACES: Final[tuple[Space, ...]] = ("embedding", "profile")


def control_result(
    groups: Sequence[Group], settings: ComparisonSettings, look: Callable[[str], None]
) -> dict[str, Any]:
    """Means, effects of pairs and separability over all layers, or `refused` with the reason."""
    plain = replace(settings, by_head=False, separability=False, maps=())
    try:
        found = compare(groups, plain, between_steps=look).as_dict()
    except ComparisonRefused as refusal:
        return {"refused": str(refusal)}
    return {
        "groups": found["groups"],
        "overall": found["overall"],
        "pairs": [pair for pair in found["pairs"] if pair["level"] == "overall"],
        "separability": _separability(groups, settings, look),
    }


def _separability(
    groups: Sequence[Group], settings: ComparisonSettings, look: Callable[[str], None]
) -> list[dict[str, Any]]:
    matched, _ = matched_by_depth(canonical(groups))
    sample = Sample(matched, seed=settings.seed, size=settings.separability_sample, permutations=settings.permutations)
    found = []
    for space in SPACES:
        if available(matched, space):
            look(f"separability: {space}")
            one = separability(sample, space, None)
            measures = {
                "accuracy": one.accuracy,
                "neighbour_purity": one.neighbour_purity,
                "silhouette": one.silhouette,
            }
            entry: dict[str, Any] = {"space": space, "documents": one.documents}
            for name, measure in measures.items():
                entry |= _shown(name, measure)
            found.append(entry)
    return found


def _shown(name: str, measure: Measure | None) -> dict[str, Any]:
    if measure is None:
        return {name: None, f"{name}_permuted": None}
    return {name: measure.value, f"{name}_permuted": {"mean": measure.mean, "p95": measure.p95, "p": measure.p}}
