"""The groups measured again under a control, in as much detail as stands beside an effect: without heads and maps."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from attention.comparison import ComparisonSettings, Group, compare
from attention.errors import ComparisonRefused

PARTS: Final = ("groups", "overall", "layers", "pairs", "separability", "parts_first", "families")


def control_result(
    groups: Sequence[Group], settings: ComparisonSettings, look: Callable[[str], None]
) -> dict[str, Any]:
    """Means, effects of pairs and separability, overall and by layer as the comparison has them, or `refused` with the
    reason.
    """
    try:
        found = compare(groups, replace(settings, by_head=False, maps=()), between_steps=look).as_dict()
    except ComparisonRefused as refusal:
        return {"refused": str(refusal)}
    return {part: found[part] for part in PARTS}
