"""Groups of measured documents against each other: the whole comparison, step by step."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import version
from itertools import combinations

import numpy as np
from threadpoolctl import threadpool_limits

from attention.comparison.alignment import heads_comparable, matched_by_depth
from attention.comparison.assembly import group_summary, head_tests, metric_means, pair_tests
from attention.comparison.cautions import cautions
from attention.comparison.groups import ComparisonSettings, Group, canonical
from attention.comparison.parts.effects import Family, HeadTests, LayerMeans, PairTest
from attention.comparison.parts.spaces import Map, Separability, Space
from attention.comparison.prepared import PreparedGroup, prepared
from attention.comparison.spaces.maps import draw_map
from attention.comparison.spaces.points import available
from attention.comparison.spaces.separability import Sample, separability
from attention.comparison.statistics.adjustment import adjusted
from attention.comparison.statistics.effects import effects
from attention.comparison.statistics.generators import generator
from attention.comparison.statistics.heads import KRUSKAL_WALLIS, WELCH_ON_RANKS, HeadStatistics, head_statistics
from attention.comparison.statistics.means import Means, means
from attention.comparison.statistics.paired import paired_effects, shared_documents
from attention.comparison.study import StatedSettings, Study
from attention.definitions import DEFINITIONS, INTERDEPENDENCY, METRIC_NAMES

Step = Callable[[str], None]


def compare(
    groups: Sequence[Group], settings: ComparisonSettings | None = None, *, between_steps: Step | None = None
) -> Study:
    """Compare groups of documents on every metric, layer and head, and in the spaces that they share.

    The same groups, settings and seed give the same bytes, in whatever order groups and documents come.

    Args:
        groups: two or more, with at least 8 documents each.
        settings: what to compare and how; the defaults are the contract's.
        between_steps: called with a step's name before it starts; may raise to stop the work.

    Raises:
        ComparisonRefused: the groups cannot be compared; the message names the group and the remedy.
    """
    settings = settings or ComparisonSettings()
    begin = between_steps or go_on
    ordered = canonical(groups)
    chosen = _metrics(ordered, settings)
    matched, layers_matched = matched_by_depth(ordered)
    groups_prepared = [prepared(group, chosen) for group in matched]
    depth = groups_prepared[0].depth

    begin("means")
    found_means = {one.name: _group_means(one, settings) for one in groups_prepared}
    begin("pairs")
    pairs, families = _pairs(groups_prepared, chosen, settings, begin)
    paired, paired_families = _paired(groups_prepared, chosen, settings, begin)
    families += paired_families
    by_metric: Mapping[str, HeadTests] = {}
    if settings.by_head and heads_comparable(matched):
        by_metric, family = head_tests(_heads(groups_prepared, chosen, settings, begin))
        families.append(family)
    spaces = _separabilities(groups_prepared, settings, begin) if settings.separability else []
    study = Study(
        groups=tuple(group_summary(one) for one in groups_prepared),
        metrics=chosen,
        overall=metric_means(found_means, chosen, 1 + depth, 0),
        layers=tuple(
            LayerMeans(layer=layer, metrics=metric_means(found_means, chosen, 1 + depth, layer + 1))
            for layer in range(depth)
        ),
        pairs=tuple(pairs),
        paired=tuple(paired),
        heads=by_metric or None,
        separability=tuple(spaces),
        parts_first={space: _parts_first(spaces, space) for space in sorted({found.space for found in spaces})},
        maps=tuple(_maps(matched, settings, begin)),
        families=tuple(families),
        settings=_stated(settings, matched),
        layers_matched={name: tuple(layers) for name, layers in layers_matched.items()},
        warnings=(),
        versions=_versions(),
    )
    return replace(study, warnings=tuple(cautions(groups_prepared, settings, study)))


def go_on(_step: str) -> None:
    """What is called between steps where nobody wants to stop the work: it does nothing."""


def _metrics(groups: Sequence[Group], settings: ComparisonSettings) -> tuple[str, ...]:
    """The metrics that every group has, in the order of the definitions."""
    shared = set.intersection(*(set(group.overall) for group in groups))
    wanted = shared if settings.metrics is None else shared & set(settings.metrics)
    return tuple(name for name in METRIC_NAMES if name in wanted)


def _group_means(group: PreparedGroup, settings: ComparisonSettings) -> Means:
    return means(
        group.columns,
        group.unit,
        confidence=settings.confidence,
        resamples=settings.bootstrap,
        random=generator(settings.seed, "means", group.name),
    )


def _pairs(
    groups: Sequence[PreparedGroup], metrics: Sequence[str], settings: ComparisonSettings, begin: Step
) -> tuple[list[PairTest], list[Family]]:
    names, found = [], []
    for a, b in combinations(groups, 2):
        begin(f"pairs: {a.name}, {b.name}")
        names.append((a.name, b.name))
        found.append(
            effects(
                a.columns,
                b.columns,
                a.unit,
                b.unit,
                confidence=settings.confidence,
                permutations=settings.pair_permutations,
                random=generator(settings.seed, "pairs", a.name, b.name),
            )
        )
    return pair_tests(names, found, metrics, 1 + groups[0].depth, "pairs")


def _paired(
    groups: Sequence[PreparedGroup], metrics: Sequence[str], settings: ComparisonSettings, begin: Step
) -> tuple[list[PairTest], list[Family]]:
    """The pairs of groups that are the same documents under two models, document by document."""
    names, found = [], []
    for a, b in combinations(groups, 2):
        places = shared_documents(a.group, b.group)
        if places is None:
            continue
        begin(f"paired: {a.name}, {b.name}")
        names.append((a.name, b.name))
        of_a, of_b = places
        found.append(paired_effects(a.columns[of_a], b.columns[of_b], a.unit[of_a], confidence=settings.confidence))
    return pair_tests(names, found, metrics, 1 + groups[0].depth, "paired") if names else ([], [])


def _heads(
    groups: Sequence[PreparedGroup], metrics: Sequence[str], settings: ComparisonSettings, begin: Step
) -> dict[str, HeadStatistics]:
    found = {}
    for metric in metrics:
        begin(f"heads: {metric}")
        found[metric] = head_statistics(groups, metric, seed=settings.seed, permutations=settings.head_permutations)
    return found


def _separabilities(groups: Sequence[PreparedGroup], settings: ComparisonSettings, begin: Step) -> list[Separability]:
    """Every space over all layers, then at each: as many at once as there are processors, each on one of them."""
    begin("separability: sample")
    sample = Sample(groups, seed=settings.seed, size=settings.separability_sample, permutations=settings.permutations)
    spaces: tuple[Space, ...] = ("embedding", "profile")
    levels = [
        (space, layer)
        for space in spaces
        for layer in (None, *range(groups[0].depth))
        if available(sample.groups, space, layer)
    ]
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
        running = [pool.submit(separability, sample, space, layer) for space, layer in levels]
        try:
            found = []
            for (space, layer), one in zip(levels, running, strict=True):
                begin(f"separability: {space}, {'all layers' if layer is None else f'layer {layer}'}")
                found.append(one.result())
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return found


def _maps(groups: list[Group], settings: ComparisonSettings, begin: Step) -> list[Map]:
    drawn = []
    for space in settings.maps:
        for layer in (None, *settings.map_layers):
            if (layer is None or layer < groups[0].depth) and available(groups, space, layer):
                begin(f"map: {space}")
                drawn.append(
                    draw_map(
                        groups,
                        space,
                        layer,
                        seed=settings.seed,
                        limit=settings.map_points,
                        perplexity=settings.perplexity,
                    )
                )
    return drawn


def _parts_first(found: Sequence[Separability], space: Space) -> int | None:
    """The first layer at which the classifier beats chance (adjusted over layers, p <= 0.05)."""
    by_layer = [
        one for one in found if one.space == space and one.layer is not None and one.accuracy_permuted is not None
    ]
    p, _ = adjusted(np.array([one.accuracy_permuted.p for one in by_layer if one.accuracy_permuted is not None]))
    return next((one.layer for one, adjusted_p in zip(by_layer, p, strict=True) if adjusted_p <= 0.05), None)


def _stated(settings: ComparisonSettings, groups: Sequence[Group]) -> StatedSettings:
    clustered = any(group.clusters is not None for group in groups)
    return StatedSettings(
        seed=settings.seed,
        confidence=settings.confidence,
        bootstrap=settings.bootstrap,
        permutations=settings.permutations,
        head_permutations=settings.head_permutations,
        pair_permutations=settings.pair_permutations,
        head_test=WELCH_ON_RANKS if clustered else KRUSKAL_WALLIS,
        separability_sample=settings.separability_sample,
    )


def _versions() -> dict[str, str]:
    packages = ("numpy", "scipy", "scikit-learn", "openTSNE")
    return {
        "definitions": DEFINITIONS,
        "interdependency": INTERDEPENDENCY,
        **{package: version(package) for package in packages},
    }
