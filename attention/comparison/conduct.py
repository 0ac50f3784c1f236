"""A whole study: the comparison, and the comparisons that stand beside it.

A notebook gets from here exactly what the service stores and answers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from attention.comparison.cautions import layers_unread
from attention.comparison.compare import compare, go_on
from attention.comparison.controls import compare_control
from attention.comparison.first_window import compare_first_windows, first_window_caution
from attention.comparison.groups import ComparisonSettings, Group
from attention.comparison.paired_distances import distance_in_words
from attention.comparison.parts.documents import Windows
from attention.comparison.parts.repeated import FirstWindow
from attention.comparison.study import Study


def conduct_study(
    groups: Sequence[Group],
    settings: ComparisonSettings | None = None,
    *,
    first_window: bool = False,
    layer_embeddings: bool = False,
    controls: Mapping[str, Callable[[], Sequence[Group]]] | None = None,
    windows: Windows | None = None,
    between_steps: Callable[[str], None] | None = None,
) -> Study:
    """Compare groups on everything that was measured of them.

    Groups that are the same documents under several models are paired, and compared on distances in words too.

    Args:
        groups: two or more, with at least 8 documents each.
        settings: what to compare and how; the defaults are the contract's.
        first_window: whether the groups' `first_windows` are compared beside the whole documents.
        layer_embeddings: whether embeddings by layer were requested: the study then warns of groups without them.
        controls: by the control's name, what gives the same groups measured under it. Each is called when its turn
            comes, so that no two controls need be in memory at once.
        windows: how much of each document was read, as the study is to state it.
        between_steps: called with a step's name before it starts; may raise to stop the work.

    Raises:
        ComparisonRefused: the groups cannot be compared; the message names the group and the remedy.
    """
    settings = settings or ComparisonSettings()
    begin = between_steps or go_on
    study = replace(compare(groups, settings, between_steps=begin), windows=windows)
    warnings = [*study.warnings, *(layers_unread(groups) if layer_embeddings else ())]
    if first_window:
        begin("first window")
        first = compare_first_windows(study, groups, settings, begin)
        study = replace(study, first_window=first)
        caution = first_window_caution(first.effects) if isinstance(first, FirstWindow) else None
        warnings += [caution] if caution is not None else []
    if study.paired:
        begin("distance in words")
        study = replace(study, distance_words=distance_in_words(groups, settings, begin))
    if controls:
        found = {}
        for name, measured_again in controls.items():
            begin(f"control: {name}")
            found[name] = compare_control(measured_again(), settings, begin)
        study = replace(study, controls=found)
    return replace(study, warnings=tuple(warnings))
