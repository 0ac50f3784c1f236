"""One document measured: the request, and the numbers."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from attention.definitions import METRICS
from models.schemas.documents import (
    Conversation,
    DocumentFields,
    Message,
    Transcript,
    exactly_one,
)
from models.schemas.readings import Reading
from models.schemas.strings import ModelId, Said
from models.schemas.tokens import TokensDetail
from models.schemas.turns import Flow, TurnsDetail
from models.work import WorkOptions

Overflow = Annotated[
    Literal["window", "truncate", "reject"],
    Field(
        description="What to do with a document longer than the model's context: cut it into windows, keep its "
        "beginning (and say `truncated`), or refuse it."
    ),
]
SpeakerLabels = Annotated[
    Literal["keep", "drop"], Field(description="Whether the model reads the speakers' names before the turns.")
]


class AnalysisRequest(DocumentFields):
    """Exactly one of `conversation`, `text`, `messages` or `transcript`; everything else may be left out."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "conversation": {
                        "turns": [
                            {"speaker": "Ana", "text": "Are you coming?"},
                            {"speaker": "Bo", "text": "Yes, at six."},
                        ]
                    },
                    "domain": "conversation",
                    "external_id": "call-17",
                    "labels": {"team": "support"},
                }
            ]
        },
    )
    INPUTS: ClassVar[tuple[str, ...]] = ("conversation", "text", "messages", "transcript")

    model: Annotated[ModelId | None, Field(description="An id of `GET /v1/models`; without it the default one.")] = None
    conversation: Conversation | None = None
    text: Said | None = None
    messages: Annotated[list[Message] | None, Field(min_length=1)] = None
    transcript: Transcript | None = None
    overflow: Overflow = "window"
    speaker_labels: SpeakerLabels = "keep"

    @model_validator(mode="after")
    def _one_input(self) -> Self:
        exactly_one({name: getattr(self, name) for name in self.INPUTS})
        return self

    def options(self) -> WorkOptions:
        """How it is to be measured."""
        return WorkOptions(overflow=self.overflow, labels=self.speaker_labels)


class AnalysisChanges(DocumentFields):
    """What is to be changed; what is left out stays."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("give at least one of `domain`, `external_id` and `labels`")
        return self

    def changes(self) -> dict[str, Any]:
        """The fields that were given, by name."""
        return self.model_dump(include=self.model_fields_set)


class ModelReference(BaseModel):
    """Which model, and exactly which of its weights."""

    id: str
    revision: str


_METRIC_FIELDS: dict[str, Any] = {
    metric.name: (float | None, Field(description=f"{metric.summary} Unit: {metric.unit}.")) for metric in METRICS
}
MetricValues = create_model(
    "MetricValues",
    __doc__="Every metric; null where it is undefined, as those of turns are for a text.",
    **_METRIC_FIELDS,
)
LayerValues = create_model(
    "LayerValues",
    __doc__="Every metric of one attending layer, the mean over its heads.",
    layer=(int, Field(description="Counts attending layers from 0.")),
    **_METRIC_FIELDS,
)


class EmbeddingFacts(BaseModel):
    """The stored vector that search compares: the mean of the last hidden states."""

    dimension: int


class Embedding(EmbeddingFacts):
    """The vector itself, where it was asked for."""

    values: list[float] | None = Field(
        default=None, description="With `include=embedding`; null where the document has special tokens only."
    )
    turn_values: list[list[float] | None] | None = Field(
        default=None,
        description="With `include=embedding`: a vector for each turn, null for one of which no token was read; null "
        "for a plain text.",
    )


class Timing(BaseModel):
    """Where the time went, in milliseconds. A pass is shared: `forward_ms` is that of the whole pass."""

    model_config = ConfigDict(extra="allow")

    queued_ms: float = 0.0
    tokenize_ms: float = 0.0
    forward_ms: float = 0.0
    store_ms: float = 0.0


class AnalysisEntry(BaseModel):
    """One document in one job, without its layers: what lists show."""

    id: str = Field(examples=["an_01kb3v9q7d5m2x8rwn4t6ghj0c"])
    job_id: str
    created_at: datetime
    model: ModelReference
    definitions: str = Field(description="The version of the metrics' definitions.", examples=["hearken-metrics/1"])
    dataset_id: str | None
    domain: str | None
    external_id: str | None
    labels: dict[str, str]
    tokens: int = Field(description="Tokens read, special tokens and template text included.")
    turns: int | None
    speakers: list[str]
    windows: int = Field(description="Into how many windows it was cut.")
    truncated: bool
    cached: bool = Field(description="True when equal work had been done before.")
    left_out_rows: int = Field(description="Query rows that are almost all sink, left out of the without-sink forms.")
    metrics: MetricValues
    embedding: EmbeddingFacts
    timing: Timing


class AnalysisLayer(AnalysisEntry):
    """One layer of one document in one job: an entry whose metrics are those of the layer."""

    layer: int = Field(description="Counts attending layers from 0.")


class Analysis(AnalysisEntry):
    """One document in one job. What `include` can name comes only when included."""

    layers: list[LayerValues]
    embedding: Embedding
    reading: Reading | None = Field(default=None, description="Of a transcript: what it was taken for.")
    heads: dict[str, list[list[float | None]]] = Field(
        default={}, description="With `include=heads`: each metric as L rows of H values."
    )
    flow: Flow | None = Field(
        default=None, description="With `include=flow`; null for a plain text, and above 2,048 turns."
    )
    turns_detail: TurnsDetail | None = Field(default=None, description="With `include=turns`; null for a plain text.")
    tokens_detail: TokensDetail | None = Field(
        default=None, description="With `include=tokens`, measured anew for this request."
    )
