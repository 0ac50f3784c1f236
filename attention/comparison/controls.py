"""The groups measured again under a control, in as much detail as stands beside an effect: without heads and maps."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from attention.comparison.compare import compare
from attention.comparison.groups import ComparisonSettings, Group
from attention.comparison.parts.repeated import ControlStudy, Refused
from attention.errors import ComparisonRefused


def compare_control(
    groups: Sequence[Group], settings: ComparisonSettings, between_steps: Callable[[str], None]
) -> ControlStudy | Refused:
    """Means, effects of pairs and separability, overall and by layer as the comparison has them; refused, with the
    reason, where the groups under the control cannot be compared.
    """
    try:
        found = compare(groups, replace(settings, by_head=False, maps=()), between_steps=between_steps)
    except ComparisonRefused as refusal:
        return Refused(refused=str(refusal))
    return ControlStudy(
        groups=found.groups,
        overall=found.overall,
        layers=found.layers,
        pairs=found.pairs,
        separability=found.separability,
        parts_first=found.parts_first,
        families=found.families,
    )
