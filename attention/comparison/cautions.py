"""What a reader of a comparison must know before believing it."""

from collections.abc import Iterator, Sequence
from itertools import combinations

from attention.comparison.alignment import heads_comparable
from attention.comparison.groups import ComparisonSettings, Group
from attention.comparison.prepared import PreparedGroup
from attention.comparison.statistics.exact import WHOLE_CLUSTERS
from attention.comparison.statistics.means import SMALL
from attention.comparison.study import Study, Warned


def layers_unread(groups: Sequence[Group]) -> list[Warned]:
    """The warning where embeddings by layer were requested and some group has none."""
    lacking = ", ".join(group.name for group in groups if group.layer_embeddings is None)
    told = f"There are no embeddings by layer: the states of the model's layers could not be read in {lacking}."
    return [Warned("no-layer-embeddings", told)] if lacking else []


def cautions(prepared: Sequence[PreparedGroup], settings: ComparisonSettings, study: Study) -> list[Warned]:
    """All warnings about the comparison of these groups, in a fixed order; `study` is what it gave."""
    groups = [one.group for one in prepared]
    return [
        *_few_units(prepared),
        *_clusters(groups),
        *_models(groups, settings, study),
        *_missing_metrics(study),
        *_permutation_floor(settings, study),
        *_spaces(settings, study),
    ]


def _few_units(prepared: Sequence[PreparedGroup]) -> Iterator[Warned]:
    small = [one.name for one in prepared if one.units < SMALL]
    if small:
        yield Warned("approximate", f"Intervals are approximate: fewer than {SMALL} units in {', '.join(small)}.")


def _clusters(groups: Sequence[Group]) -> Iterator[Warned]:
    free = [group.name for group in groups if group.clusters is None]
    if free:
        yield Warned(
            "independence-assumed",
            f"No clusters are given for {', '.join(free)}: documents are taken for independent of each other. "
            "Where several come from one source they resemble each other, and p can be too small.",
        )
    named = [(group.name, set(group.clusters)) for group in groups if group.clusters is not None]
    for (a, first), (b, second) in combinations(named, 2):
        if first & second:
            yield Warned(
                "clusters-shared",
                f"{len(first & second)} clusters have documents in both {a} and {b}; they are treated as separate "
                "clusters, one in each group.",
            )


def _models(groups: Sequence[Group], settings: ComparisonSettings, study: Study) -> Iterator[Warned]:
    same = sorted({(one.a, one.b) for one in study.paired})
    if same:
        yield Warned(
            "same-documents",
            f"The same documents stand in {', '.join(f'{a} and {b}' for a, b in same)}: read `paired`, where each "
            "document is compared with itself; `pairs` treats the groups as if they were independent.",
        )
    if study.layers_matched:
        thinned = "; ".join(f"{name}: {', '.join(map(str, layers))}" for name, layers in study.layers_matched.items())
        yield Warned("layers-matched", f"The models differ in depth; layers are matched by relative depth. {thinned}.")
    if settings.by_head and not heads_comparable(groups):
        yield Warned(
            "heads-not-compared", "Heads are not compared: the models differ in layers or heads, or lack them."
        )


def _missing_metrics(study: Study) -> Iterator[Warned]:
    lacking: dict[tuple[str, ...], list[str]] = {}
    for group in study.groups:
        absent = tuple(metric for metric in study.metrics if study.overall[metric][group.name].mean is None)
        lacking.setdefault(absent, []).append(group.name)
    for absent, names in lacking.items():
        if absent:
            yield Warned(
                "metric-missing",
                f"Left empty, because fewer than 8 documents of {', '.join(names)} have them: {', '.join(absent)}.",
            )


def _permutation_floor(settings: ComparisonSettings, study: Study) -> Iterator[Warned]:
    if not any(one.test == WHOLE_CLUSTERS for one in study.pairs):
        return
    floor = 1 / (1 + settings.pair_permutations)
    for family in study.families:
        if family.kind == "pairs" and family.tests * floor > 0.05:
            yield Warned(
                "permutation-floor",
                f"A single {family.level} effect cannot pass adjustment over {family.tests} tests: no p from permuted "
                f"clusters is below {floor:.1g}.",
            )


def _spaces(settings: ComparisonSettings, study: Study) -> Iterator[Warned]:
    depth = len(study.layers)
    unmapped = ", ".join(str(layer) for layer in settings.map_layers if layer >= depth)
    if unmapped:
        yield Warned("map-layer-missing", f"No map of layer {unmapped}: the comparison has layers 0 to {depth - 1}.")
    if any(one.accuracy is None for one in study.separability):
        yield Warned("no-folds", "Accuracy is not given: a group has one cluster only, so none is left to test on.")
