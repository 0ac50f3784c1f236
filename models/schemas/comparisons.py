"""Comparisons: groups of documents, or of models, against each other."""

from collections.abc import Sequence
from datetime import datetime
from itertools import combinations
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from attention.comparison.json_form import from_json
from attention.comparison.parts import spaces
from attention.comparison.parts.effects import HeadTests
from attention.comparison.study import Study
from attention.definitions import METRIC_NAMES
from attention.measure.batches import CHARACTERS_PER_TOKEN
from models.dataclass_models import model_of, with_parts_of
from models.schemas.analyses import SpeakerLabels
from models.schemas.strings import ModelId, Name, Request, Storable
from models.states import JobState
from models.work import Control, Sampling, WorkOptions

SMALLEST_GROUP = 8
"""With fewer documents no interval or test says anything; the worker counts again after those that are too short."""


class GroupRequest(Request):
    """Documents of one data set (of one domain, where given) under one model."""

    name: Name
    dataset_id: Storable
    domain: Name | None = None
    model: Annotated[ModelId | None, Field(description="Instead of the comparison's model.")] = None
    limit: Annotated[
        int | None, Field(ge=SMALLEST_GROUP, le=1_000_000, description="At most so many, drawn by the seed.")
    ] = None


class ComparisonRequest(Request):
    """Groups, and how to compare them."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "groups": [
                        {"name": "conversation", "dataset_id": "ds_01kb3v9q7d5m2x8rwn4t6ghj0c"},
                        {"name": "code", "dataset_id": "ds_01kb3v9r2h6m2x8rwn4t6ghj0c", "domain": "code", "limit": 500},
                    ],
                    "window_tokens": 256,
                    "seed": 0,
                }
            ]
        },
    )

    groups: list[GroupRequest] = Field(min_length=2, max_length=20)
    model: ModelId | None = None
    window_tokens: int = Field(256, ge=8, le=131_072, description="Every document is read in windows of this size.")
    window_characters: int | None = Field(
        None,
        ge=32,
        le=1_000_000,
        description="Windows of so many characters instead, the same ones under every model. By default 3 for each of "
        "`window_tokens` where the same documents are compared under several models.",
    )
    windows: int = Field(2, ge=1, le=64, description="Windows a document, spread over it.")
    first_window: bool = Field(
        True, description="Measure every document's first window too, by itself; its result stands beside the main one."
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="The same seed gives the same answer.")
    confidence: float = Field(0.95, ge=0.5, le=0.999)
    metrics: Annotated[
        list[str] | None, Field(min_length=1, description="Only these; by default all that every group has.")
    ] = None
    maps: list[Literal["embedding", "profile"]] = Field(["embedding", "profile"], description="t-SNE of these.")
    map_layers: list[Annotated[int, Field(ge=0, le=10_000)]] = Field(
        [], max_length=8, description="A map of each of these layers too, in every space of `maps`."
    )
    layer_embeddings: bool = Field(
        True, description="Keep every document's embedding at each layer, for separability and maps by layer."
    )
    by_head: bool = True
    permutations: int = Field(1000, ge=200, le=20_000, description="Of the heads' familywise check.")
    speaker_labels: SpeakerLabels = "keep"
    controls: list[Control] = Field(
        [], max_length=4, description="Measure every group again under these controls; each costs as much again."
    )

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = [group.name for group in self.groups]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two groups are called {', '.join(twice)}; give each its own name")
        unknown = [name for name in self.metrics or () if name not in METRIC_NAMES]
        if unknown:
            raise ValueError(f"no such metric: {', '.join(unknown)}; known are {', '.join(METRIC_NAMES)}")
        if len(set(self.maps)) < len(self.maps):
            raise ValueError("a map is named twice")
        if len(set(self.map_layers)) < len(self.map_layers):
            raise ValueError("a layer is named twice")
        if self.map_layers and "embedding" in self.maps and not self.layer_embeddings:
            raise ValueError("maps of embeddings by layer need layer_embeddings")
        if len(set(self.controls)) < len(self.controls):
            raise ValueError("a control is named twice")
        return self

    @property
    def paired(self) -> bool:
        """Whether the same documents are measured under more than one model."""
        return any(
            one.dataset_id == other.dataset_id
            and (one.model or self.model) != (other.model or self.model)
            and (one.domain == other.domain or None in (one.domain, other.domain))
            for one, other in combinations(self.groups, 2)
        )

    def settled(self, models: Sequence[str], default: str) -> Self:
        """The request with nothing left to defaults that depend on others: each group's model, the windows' unit."""
        groups = [group.model_copy(update={"model": model}) for group, model in zip(self.groups, models, strict=True)]
        named = self.model_copy(update={"groups": groups, "model": default})
        if named.window_characters is None and named.paired:
            characters = max(32, round(self.window_tokens * CHARACTERS_PER_TOKEN))
            return named.model_copy(update={"window_characters": characters})
        return named

    def options(self) -> WorkOptions:
        """How each document of a settled request is to be measured."""
        sampling = Sampling(
            window_tokens=self.window_tokens,
            count=self.windows,
            seed=self.seed,
            window_characters=self.window_characters,
            first_window=self.first_window,
        )
        return WorkOptions(labels=self.speaker_labels, sampling=sampling, layer_embeddings=self.layer_embeddings)


class ComparisonEntry(BaseModel):
    """What was compared, and how far it is: what lists show."""

    id: str = Field(examples=["cmp_01kb3v9q7d5m2x8rwn4t6ghj0c"])
    job_id: str
    state: JobState
    created_at: datetime
    finished_at: datetime | None
    reason: str | None
    message: str | None
    request: ComparisonRequest


MapAnswer = create_model(
    "Map",
    __base__=model_of(spaces.Map),
    points_total=(int | None, Field(default=None, description="How many points there are, where they are many.")),
    points_at=(str | None, Field(default=None, description="Where the points are, where they are many.")),
)

if TYPE_CHECKING:  # what the models made here are like: a type checker cannot follow how they are made
    Point = spaces.Point
    HeadGrids = BaseModel
    ResultEntry = ComparisonEntry
else:
    Point, HeadGrids = model_of(spaces.Point), model_of(HeadTests)
    ResultEntry = with_parts_of(Study, ComparisonEntry, instead={spaces.Map: MapAnswer})


class HeadTestsOfMetric(HeadGrids):
    """Every head on one metric, as L rows of H values; null where a head cannot be tested."""

    metric: str


class Figure(BaseModel):
    """One figure of a comparison, and where it is in each form."""

    name: str = Field(examples=["curve-distance"])
    svg: str
    png: str
    pdf: str


class Figures(BaseModel):
    """All figures of a comparison."""

    items: list[Figure]


class Comparison(ResultEntry):
    """The comparison and, once it has succeeded, its result; `docs/api.md` says more of its fields."""

    report: str | None = Field(default=None, description="Where the self-contained page is.")
    figures: list[str] = Field(default=[], description="Where the figures are, as SVG; also as .png and .pdf.")
    heads_at: str | None = Field(default=None, description="Where the tests of heads are, by metric: they are many.")

    @property
    def study(self) -> Study | None:
        """The result as a notebook has it, without `figures`; None before there is one.

        Of a large one the points of maps (`points_at`) and the tests of heads (`heads_at`) are missing.
        """
        if self.state != JobState.SUCCEEDED:
            return None
        return from_json(Study, self.model_dump(exclude_unset=True, exclude={"figures"}))
