"""The result of a comparison, from the statistics through the database and the API to the report and a notebook."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from attention.comparison.json_form import LEFT_OUT, described
from attention.comparison.parts.documents import GroupSummary, Windows
from attention.comparison.parts.effects import Family, HeadTests, LayerMeans, MetricMeans, PairTest
from attention.comparison.parts.repeated import ControlStudy, DistanceInWords, FirstWindow, Refused
from attention.comparison.parts.spaces import Map, Separability, Space


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that a reader must know: `code` for programs, `message` for people."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedSettings:
    """How the numbers were made: the settings that shape them, and the names of the procedures."""

    seed: int
    confidence: float
    interval: str = "studentised bootstrap"
    bootstrap: int
    permutations: int
    head_permutations: int
    pair_permutations: int
    head_test: str
    adjustment: str = "Benjamini-Hochberg within each level and kind of test"
    separability_sample: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """Everything that a comparison gives. Layers and heads are counted from 0; undefined numbers are None.

    `overall` holds means over all layers; `layers_matched` names the layers that were taken of deeper models, by group;
    `parts_first` gives for each space the first layer whose classifier beats chance. What was not requested is None.
    """

    groups: tuple[GroupSummary, ...] = field(metadata=described("Name, model, documents used, skipped and why."))
    metrics: tuple[str, ...] = field(metadata=described("The metrics that every group has."))
    overall: MetricMeans = field(metadata=described("Mean and interval per metric and group, over all layers."))
    layers: tuple[LayerMeans, ...] = field(metadata=described("The same per layer."))
    pairs: tuple[PairTest, ...] = field(metadata=described("Cliff's delta and p per metric, layer and pair of groups."))
    paired: tuple[PairTest, ...] = field(
        default=(), metadata=described("The same where two groups are the same documents under two models.")
    )
    heads: Mapping[str, HeadTests] | None = field(
        default=None, metadata=described("Tests of every head, by metric; many stand at `/heads`.")
    )
    separability: tuple[Separability, ...] = field(
        metadata=described("How well the groups separate, beside permuted labels.")
    )
    parts_first: Mapping[Space, int | None] = field(
        metadata=described("The first layer that tells the groups apart, by space.")
    )
    maps: tuple[Map, ...] = field(
        metadata=described("t-SNE with seed and trustworthiness; many points stand at `/points`.")
    )
    families: tuple[Family, ...] = field(
        default=(), metadata=described("How many tests were adjusted together, by level and kind.")
    )
    settings: StatedSettings = field(metadata=described("How the numbers were made."))
    layers_matched: Mapping[str, tuple[int, ...]] = field(
        metadata=described("The layers taken of deeper models, by group.")
    )
    warnings: tuple[Warned, ...] = field(metadata=described("What a reader must know."))
    versions: Mapping[str, str] = field(metadata=described("Definitions and packages that the numbers depend on."))
    windows: Windows | None = field(default=None, metadata=LEFT_OUT | described("How much of each document was read."))
    first_window: FirstWindow | Refused | None = field(
        default=None,
        metadata=LEFT_OUT | described("Means and pairs of the documents' first windows, and where they disagree."),
    )
    distance_words: DistanceInWords | None = field(
        default=None,
        metadata=LEFT_OUT | described("Distances in words, where the same documents stand under several models."),
    )
    controls: Mapping[str, ControlStudy | Refused] | None = field(
        default=None, metadata=LEFT_OUT | described("The groups measured again under each control.")
    )
    figures: tuple[str, ...] | None = field(
        default=None, metadata=LEFT_OUT | described("The names of the figures that the report has.")
    )
