"""The groups compared once more: on their first windows, under a control, in words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from attention.comparison.json_form import FLATTENED, LEFT_OUT
from attention.comparison.parts.documents import GroupSummary
from attention.comparison.parts.effects import Family, GroupMeans, LayerMeans, MetricMeans, PairTest
from attention.comparison.parts.spaces import Separability, Space

Difference = Literal["turned", "document-only", "first-window-only"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A part that was requested and cannot be given; `refused` says why."""

    refused: str


@dataclass(frozen=True, slots=True, kw_only=True)
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
    p_adjusted: float | None
    first_delta: float
    first_p_adjusted: float | None
    differs: Difference | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstWindow:
    """Means and effects of the documents' first windows, and every overall effect beside the one over the document."""

    overall: MetricMeans
    layers: tuple[LayerMeans, ...]
    pairs: tuple[PairTest, ...]
    paired: tuple[PairTest, ...] = field(default=(), metadata=LEFT_OUT)
    families: tuple[Family, ...] = ()
    effects: tuple[Beside, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlStudy:
    """The groups measured again under a control, in as much detail as stands beside an effect."""

    groups: tuple[GroupSummary, ...]
    overall: MetricMeans
    layers: tuple[LayerMeans, ...] = ()
    pairs: tuple[PairTest, ...]
    separability: tuple[Separability, ...]
    parts_first: Mapping[Space, int | None] = field(default_factory=dict)
    families: tuple[Family, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerDistances:
    """The mean distances in words of one layer."""

    layer: int
    groups: GroupMeans = field(metadata=FLATTENED)


@dataclass(frozen=True, slots=True, kw_only=True)
class DistanceInWords:
    """Each document's distance over its own tokens a word, compared like any metric.

    `tokens_per_word` by the group's name, None where it is not known of any document.
    """

    metric: str
    unit: str
    tokens_per_word: Mapping[str, float | None]
    overall: GroupMeans
    layers: tuple[LayerDistances, ...]
    paired: tuple[PairTest, ...]
