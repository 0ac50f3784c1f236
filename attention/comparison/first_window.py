"""The documents' first windows compared like the documents: where the two do not say the same."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

from attention.comparison.compare import compare
from attention.comparison.groups import ComparisonSettings, Group
from attention.comparison.result import ComparisonResult, PairTest, Warned
from attention.measure.metrics import mean_of_defined

SIGNIFICANT: Final = 0.05
NAMED: Final = 8
"""How many effects the caution names; the result marks all."""

Difference = Literal["turned", "document-only", "first-window-only"]
_SAID: Final[dict[Difference, str]] = {
    "turned": "Significant over the document, with the opposite sign in the first window",
    "document-only": "Significant over the document only",
    "first-window-only": "Significant in the first window only",
}


@dataclass(frozen=True, slots=True)
class Beside:
    """One overall effect over the document and in the first window; `paired` tells which of the two tests it is of.

    `differs` is "turned" where it is significant (adjusted p) over the document and has the opposite sign in the first
    window, otherwise names the one in which alone it is significant, or is None.
    """

    metric: str
    a: str
    b: str
    paired: bool
    delta: float
    p_adjusted: float
    first_delta: float
    first_p_adjusted: float
    differs: Difference | None


def first_window_result(
    whole: ComparisonResult, groups: Sequence[Group], settings: ComparisonSettings, between_steps: Callable[[str], None]
) -> tuple[dict[str, Any], Warned | None]:
    """Means and effects of the groups' first windows in the form of the comparison's own, `effects` of both beside each
    other, and what is to be warned of.

    `whole` is the result over the windows spread over the same groups' documents. Where no document of a group has a
    first window, all is `refused` with this reason.
    """
    lacking = sorted(group.name for group in groups if group.first_windows is None)
    if lacking:
        return {"refused": f"no first window was measured in {', '.join(lacking)}"}, None
    plain = replace(settings, by_head=False, separability=False, maps=())
    found = compare([of_first_windows(group) for group in groups], plain, between_steps=between_steps)
    effects = effects_beside(whole, found)
    shown = found.as_dict()
    parts = ("overall", "layers", "pairs", *(("paired",) if shown["paired"] else ()), "families")
    result = {**{part: shown[part] for part in parts}, "effects": [asdict(one) for one in effects]}
    return result, first_window_caution(effects)


def of_first_windows(group: Group) -> Group:
    """The same documents with the metrics of their first windows in place of their own, and nothing else measured."""
    assert group.first_windows is not None
    layers = group.first_windows
    return Group(
        name=group.name,
        model=group.model,
        analysis_ids=group.analysis_ids,
        layers=layers,
        overall={name: mean_of_defined(values) for name, values in layers.items()},
        clusters=group.clusters,
        documents=group.documents,
        skipped=group.skipped,
    )


def effects_beside(whole: ComparisonResult, first: ComparisonResult) -> list[Beside]:
    """Every overall effect that is defined in both and tested in one at least, in the order of `whole`'s pairs.

    `first` compares the first windows of the groups that `whole` compares. Of groups that are the same documents under
    two models the paired effects are taken.
    """
    other = {_name(one): one for _, one in _as_read(first)}
    return [
        Beside(
            metric=one.metric,
            a=one.a,
            b=one.b,
            paired=paired,
            delta=one.delta,
            p_adjusted=one.p_adjusted,
            first_delta=other[_name(one)].delta,
            first_p_adjusted=other[_name(one)].p_adjusted,
            differs=_difference(one, other[_name(one)]),
        )
        for paired, one in _as_read(whole)
        if _name(one) in other and not (math.isnan(one.p) and math.isnan(other[_name(one)].p))
    ]


def first_window_caution(effects: Sequence[Beside]) -> Warned | None:
    """What a reader must know of those that differ, with both deltas, the largest changes by name; None without any."""
    differing = [one for one in effects if one.differs is not None]
    if not differing:
        return None
    named = sorted(differing, key=lambda one: -abs(one.delta - one.first_delta))[:NAMED]
    parts = [
        "The first windows of the documents say something else than the windows spread over them in "
        f"{len(differing)} {'effect' if len(differing) == 1 else 'effects'} (delta over the document; in the first "
        "window)."
    ]
    for difference, said in _SAID.items():
        of_kind = [one for one in named if one.differs == difference]
        if of_kind:
            parts.append(f"{said}: {', '.join(map(_said, of_kind))}.")
    if len(differing) > len(named):
        parts.append(f"{len(differing) - len(named)} more are marked in the table of the first window.")
    return Warned("first-window-differs", " ".join(parts))


def _as_read(result: ComparisonResult) -> Iterator[tuple[bool, PairTest]]:
    """The overall effects that are defined, and whether each is of paired documents, which take the others' place."""
    paired = {(one.a, one.b) for one in result.paired}
    for one in result.pairs:
        if one.layer is None and (one.a, one.b) not in paired and not math.isnan(one.delta):
            yield False, one
    for one in result.paired:
        if one.layer is None and not math.isnan(one.delta):
            yield True, one


def _name(effect: PairTest) -> tuple[str, str, str]:
    return effect.metric, effect.a, effect.b


def _difference(whole: PairTest, first: PairTest) -> Difference | None:
    over_document, in_first = whole.p_adjusted < SIGNIFICANT, first.p_adjusted < SIGNIFICANT
    if over_document and whole.delta * first.delta < 0:
        return "turned"
    if over_document == in_first:
        return None
    return "document-only" if over_document else "first-window-only"


def _said(one: Beside) -> str:
    deltas = f"{one.delta:.2g}; {one.first_delta:.2g}".replace("-", "−")
    return f"{one.metric} of {one.a} and {one.b} ({deltas})"
