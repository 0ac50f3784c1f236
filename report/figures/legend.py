"""The marks by which groups are told apart, in the figures and in the legends beside them: colour, dash and symbol."""

from typing import Final

from attention.comparison.study import Study
from report.wording import PALETTE

_DASHES: Final = (
    ("solid", ""),
    ("dash", "6 4"),
    ("dot", "1.5 3.5"),
    ("dashdot", "6 3 1.5 3"),
    ("longdash", "10 4"),
    ("longdashdot", "10 3 1.5 3"),
)
"""What plotly.js calls a dash, and the same as SVG's `stroke-dasharray`."""

_SYMBOLS: Final = (
    ("circle", "M10.5 6a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z"),
    ("square", "M11 2h8v8h-8z"),
    ("diamond", "M15 .8L20.2 6 15 11.2 9.8 6z"),
    ("triangle-up", "M15 1l5 9H10z"),
    ("cross", "M13.4 1.5h3.2v2.9h2.9v3.2h-2.9v2.9h-3.2V7.6h-2.9V4.4h2.9z"),
    ("x", "M11.8 1.2L15 4.4l3.2-3.2 1.6 1.6L16.6 6l3.2 3.2-1.6 1.6L15 7.6l-3.2 3.2-1.6-1.6L13.4 6l-3.2-3.2z"),
    ("star", "M15 .8l1.3 3.6 3.8.1-3 2.3 1.1 3.7L15 8.3l-3.2 2.2 1.1-3.7-3-2.3 3.8-.1z"),
    ("pentagon", "M15 1l5 3.7-1.9 5.8h-6.2L10 4.7z"),
)
"""What plotly.js calls a symbol, and the same as a path in a box of 30 by 12."""

CHANCE: Final = (
    ("measured", "--accent", "M10.5 6a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z", True),
    ("permuted labels, 95th percentile", "--limit", "M15 1l5 5-5 5-5-5z", False),
    ("permuted labels, mean", "--soft", "M10.5 6a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z", False),
)
"""The marks of a measure and of what chance gives: name, colour, path, and whether it is filled."""


def colour_name(number: int) -> str:
    """The style sheet's name for the colour of the group at this place; its value follows light and dark."""
    return f"--series-{number % len(PALETTE)}"


def dash(number: int) -> str:
    """The dash of the group at this place."""
    return _DASHES[number % len(_DASHES)][0]


def symbol(number: int) -> str:
    """The symbol of the group at this place."""
    return _SYMBOLS[number % len(_SYMBOLS)][0]


def legend(result: Study) -> list[dict[str, str]]:
    """Name, colour, dash and symbol of every group, as the page draws them."""
    return [
        {
            "name": group.name,
            "colour": colour_name(number),
            "dash": _DASHES[number % len(_DASHES)][1],
            "symbol": _SYMBOLS[number % len(_SYMBOLS)][1],
        }
        for number, group in enumerate(result.groups)
    ]
