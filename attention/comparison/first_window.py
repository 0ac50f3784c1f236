"""The documents' first windows compared like the documents: where the two do not say the same."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from attention.comparison.compare import compare
from attention.comparison.groups import ComparisonSettings, Group
from attention.comparison.parts.effects import PairTest
from attention.comparison.parts.repeated import Beside, Difference, FirstWindow, Refused
from attention.comparison.study import Study, Warned
from attention.measure.metrics import mean_of_defined

SIGNIFICANT: Final = 0.05
NAMED: Final = 8
"""How many effects the caution names; the result marks all."""

_SAID: Final[dict[Difference, str]] = {
    "turned": "Significant over the document, with the opposite sign in the first window",
    "document-only": "Significant over the document only",
    "first-window-only": "Significant in the first window only",
}


def compare_first_windows(
    study: Study, groups: Sequence[Group], settings: ComparisonSettings, between_steps: Callable[[str], None]
) -> FirstWindow | Refused:
    """Means and effects of the groups' first windows, the effects beside those of `study`, which compares the windows
    spread over the same documents.

    Refused, with this reason, where no document of a group has a first window.
    """
    lacking = sorted(group.name for group in groups if group.first_windows is None)
    if lacking:
        return Refused(refused=f"no first window was measured in {', '.join(lacking)}")
    plain = replace(settings, by_head=False, separability=False, maps=())
    first = compare([of_first_windows(group) for group in groups], plain, between_steps=between_steps)
    return FirstWindow(
        overall=first.overall,
        layers=first.layers,
        pairs=first.pairs,
        paired=first.paired,
        families=first.families,
        effects=tuple(effects_beside(study, first)),
    )


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


def effects_beside(whole: Study, first: Study) -> list[Beside]:
    """Every overall effect that is defined in both and tested in one at least, in the order of `whole`'s pairs.

    `first` compares the first windows of the groups that `whole` compares. Of groups that are the same documents under
    two models the paired effects are taken.
    """
    others = {_name(one): one for _, one in _overall_effects(first)}
    found = []
    for paired, one in _overall_effects(whole):
        other = others.get(_name(one))
        if other is None or (one.p is None and other.p is None):
            continue
        assert one.delta is not None
        assert other.delta is not None
        found.append(
            Beside(
                metric=one.metric,
                a=one.a,
                b=one.b,
                paired=paired,
                delta=one.delta,
                p_adjusted=one.p_adjusted,
                first_delta=other.delta,
                first_p_adjusted=other.p_adjusted,
                differs=_difference(one.delta, one.p_adjusted, other.delta, other.p_adjusted),
            )
        )
    return found


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


def _overall_effects(study: Study) -> Iterator[tuple[bool, PairTest]]:
    """The overall effects that are defined, and whether each is of paired documents, which take the others' place."""
    paired = {(one.a, one.b) for one in study.paired}
    for one in study.pairs:
        if one.layer is None and (one.a, one.b) not in paired and one.delta is not None:
            yield False, one
    for one in study.paired:
        if one.layer is None and one.delta is not None:
            yield True, one


def _name(effect: PairTest) -> tuple[str, str, str]:
    return effect.metric, effect.a, effect.b


def _difference(delta: float, p: float | None, first_delta: float, first_p: float | None) -> Difference | None:
    over_document, in_first = (value is not None and value < SIGNIFICANT for value in (p, first_p))
    if over_document and delta * first_delta < 0:
        return "turned"
    if over_document == in_first:
        return None
    return "document-only" if over_document else "first-window-only"


def _said(one: Beside) -> str:
    deltas = f"{one.delta:.2g}; {one.first_delta:.2g}".replace("-", "−")
    return f"{one.metric} of {one.a} and {one.b} ({deltas})"
