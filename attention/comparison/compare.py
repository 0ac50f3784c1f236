"""Groups of measured documents against each other: the whole comparison, step by step."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from itertools import combinations

import numpy as np
from threadpoolctl import threadpool_limits

from attention.comparison.alignment import heads_comparable, matched_by_depth
from attention.comparison.cautions import cautions
from attention.comparison.groups import ComparisonSettings, Floats, Group, Space, canonical, units
from attention.comparison.result import ComparisonResult, Family, GroupSummary, PairTest
from attention.comparison.spaces.maps import Map, draw_map
from attention.comparison.spaces.points import available
from attention.comparison.spaces.separability import Sample, Separability, separability
from attention.comparison.statistics.adjustment import adjusted
from attention.comparison.statistics.effects import Effects, effects
from attention.comparison.statistics.generators import generator
from attention.comparison.statistics.heads import KRUSKAL_WALLIS, WELCH_ON_RANKS, HeadTests, head_tests
from attention.comparison.statistics.means import Means, means
from attention.comparison.statistics.paired import paired_effects, shared_documents, unit_of
from attention.definitions import DEFINITIONS, INTERDEPENDENCY, METRIC_NAMES

Step = Callable[[str], None]


def compare(
    groups: Sequence[Group], settings: ComparisonSettings | None = None, *, between_steps: Step | None = None
) -> ComparisonResult:
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
    begin = between_steps or _go_on
    ordered = canonical(groups)
    chosen = _metrics(ordered, settings)
    by_head = settings.by_head and heads_comparable(ordered)
    matched, layers_matched = matched_by_depth(ordered)
    depth = matched[0].depth

    begin("means")
    found_means = {group.name: _group_means(group, chosen, settings) for group in matched}
    begin("pairs")
    pairs, families = _pairs(matched, chosen, settings, begin)
    paired, paired_families = _paired(matched, chosen, settings, begin)
    families += paired_families
    heads: dict[str, HeadTests] = {}
    if by_head:
        for metric in chosen:
            begin(f"heads: {metric}")
            heads[metric] = head_tests(ordered, metric, seed=settings.seed, permutations=settings.head_permutations)
    heads_adjusted, head_family = _adjust_heads(heads)
    if heads:
        families.append(head_family)
    spaces = _separabilities(matched, settings, begin) if settings.separability else []
    maps = _maps(matched, settings, begin)
    clustered = any(group.clusters is not None for group in matched)
    return ComparisonResult(
        settings=settings,
        groups=[_summary(group) for group in ordered],
        metrics=chosen,
        depth=depth,
        means=found_means,
        pairs=pairs,
        paired=paired,
        heads=heads,
        heads_adjusted=heads_adjusted,
        head_test=WELCH_ON_RANKS if clustered else KRUSKAL_WALLIS,
        separability=spaces,
        parts_first={space: _parts_first(spaces, space) for space in sorted({found.space for found in spaces})},
        maps=maps,
        families=families,
        layers_matched=layers_matched,
        warnings=cautions(
            ordered, chosen, settings, depth, found_means, pairs, paired, families, layers_matched, spaces
        ),
        versions=_versions(),
    )


def _go_on(_step: str) -> None:
    return None


def _metrics(groups: Sequence[Group], settings: ComparisonSettings) -> tuple[str, ...]:
    """The metrics that every group has, in the order of the definitions."""
    shared = set.intersection(*(set(group.overall) for group in groups))
    wanted = shared if settings.metrics is None else shared & set(settings.metrics)
    return tuple(name for name in METRIC_NAMES if name in wanted)


def _columns(group: Group, metrics: Sequence[str]) -> Floats:
    """Metric by metric, the overall value and then every layer's: (n, M * (1 + L))."""
    parts = [np.column_stack([group.overall[name], group.layers[name]]) for name in metrics]
    return np.concatenate(parts, axis=1)


def _group_means(group: Group, metrics: Sequence[str], settings: ComparisonSettings) -> Means:
    unit, _ = units(group)
    return means(
        _columns(group, metrics),
        unit,
        confidence=settings.confidence,
        resamples=settings.bootstrap,
        random=generator(settings.seed, "means", group.name),
    )


def _pairs(
    groups: Sequence[Group], metrics: Sequence[str], settings: ComparisonSettings, begin: Step
) -> tuple[list[PairTest], list[Family]]:
    width = 1 + groups[0].depth
    columns = {group.name: _columns(group, metrics) for group in groups}
    unit_of = {group.name: units(group)[0] for group in groups}
    names = list(combinations([group.name for group in groups], 2))
    found = []
    for a, b in names:
        begin(f"pairs: {a}, {b}")
        found.append(
            effects(
                columns[a],
                columns[b],
                unit_of[a],
                unit_of[b],
                confidence=settings.confidence,
                permutations=settings.pair_permutations,
                random=generator(settings.seed, "pairs", a, b),
            )
        )
    return _listed(names, found, metrics, width, "pairs")


def _paired(
    groups: Sequence[Group], metrics: Sequence[str], settings: ComparisonSettings, begin: Step
) -> tuple[list[PairTest], list[Family]]:
    """The pairs of groups that are the same documents under two models, document by document."""
    names, found = [], []
    for a, b in combinations(groups, 2):
        places = shared_documents(a, b)
        if places is None:
            continue
        begin(f"paired: {a.name}, {b.name}")
        names.append((a.name, b.name))
        found.append(
            paired_effects(
                _columns(a, metrics)[places[0]],
                _columns(b, metrics)[places[1]],
                unit_of(a, places[0]),
                confidence=settings.confidence,
            )
        )
    return _listed(names, found, metrics, 1 + groups[0].depth, "paired") if names else ([], [])


def _listed(
    names: Sequence[tuple[str, str]], found: Sequence[Effects], metrics: Sequence[str], width: int, kind: str
) -> tuple[list[PairTest], list[Family]]:
    """Effects of pairs of groups, adjusted within each level: one entry a pair, metric and level, overall first."""
    p = np.array([effect.p for effect in found]).reshape(len(names), len(metrics), width)
    p_adjusted = np.empty_like(p)
    p_adjusted[:, :, 0], overall = adjusted(p[:, :, 0])
    p_adjusted[:, :, 1:], by_layer = adjusted(p[:, :, 1:])
    tests = []
    for number, ((a, b), effect) in enumerate(zip(names, found, strict=True)):
        for column in range(len(metrics) * width):
            metric, level = divmod(column, width)
            tests.append(
                PairTest(
                    a=a,
                    b=b,
                    metric=metrics[metric],
                    layer=level - 1 if level else None,
                    delta=float(effect.delta[column]),
                    low=float(effect.low[column]),
                    high=float(effect.high[column]),
                    p=float(effect.p[column]),
                    p_adjusted=float(p_adjusted[number, metric, level]),
                    test=str(effect.test[column]),
                )
            )
    tests.sort(key=lambda test: test.layer is not None)  # overall first; within a level the order above stays
    return tests, [Family("overall", kind, overall), Family("layer", kind, by_layer)]


def _adjust_heads(heads: dict[str, HeadTests]) -> tuple[dict[str, Floats], Family]:
    if not heads:
        return {}, Family("head", "heads", 0)
    result, tests = adjusted(np.array([found.p for found in heads.values()]))  # (M, L, H)
    return dict(zip(heads, result, strict=True)), Family("head", "heads", tests)


def _separabilities(groups: list[Group], settings: ComparisonSettings, begin: Step) -> list[Separability]:
    """Every space over all layers, then at each: as many at once as there are processors, each on one of them."""
    begin("separability: sample")
    sample = Sample(groups, seed=settings.seed, size=settings.separability_sample, permutations=settings.permutations)
    spaces: tuple[Space, ...] = ("embedding", "profile")
    levels = [
        (space, layer)
        for space in spaces
        for layer in (None, *range(groups[0].depth))
        if available(groups, space, layer)
    ]
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
        asked = [pool.submit(separability, sample, space, layer) for space, layer in levels]
        try:
            found = []
            for (space, layer), one in zip(levels, asked, strict=True):
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
    by_layer = [one for one in found if one.space == space and one.layer is not None and one.accuracy is not None]
    p, _ = adjusted(np.array([one.accuracy.p for one in by_layer if one.accuracy is not None]))
    return next((one.layer for one, adjusted_p in zip(by_layer, p, strict=True) if adjusted_p <= 0.05), None)


def _summary(group: Group) -> GroupSummary:
    _, count = units(group)
    return GroupSummary(group.name, group.model, group.size, count, group.clusters is not None, group.skipped)


def _versions() -> dict[str, str]:
    packages = ("numpy", "scipy", "scikit-learn", "openTSNE")
    return {
        "definitions": DEFINITIONS,
        "interdependency": INTERDEPENDENCY,
        **{package: version(package) for package in packages},
    }
