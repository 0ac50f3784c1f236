"""What was compared: the groups, and how much of each document was read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from attention.comparison.json_form import LEFT_OUT


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSummary:
    """One group as it was used: `units` counts clusters where it has any (`clustered`), documents otherwise.

    `skipped` reason -> number of documents left out, `skipped_total` of them together.
    """

    name: str
    model: str
    documents: int
    units: int
    clustered: bool
    skipped: Mapping[str, int]
    skipped_total: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "skipped_total", sum(self.skipped.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """How every document was read: in at most `count` windows of so many tokens, or characters, placed by the seed."""

    tokens: int | None = field(default=None, metadata=LEFT_OUT)
    characters: int | None = field(default=None, metadata=LEFT_OUT)
    count: int
    seed: int
