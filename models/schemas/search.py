"""Search: the nearest documents or turns."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, model_validator

from models.schemas.documents import Conversation, exactly_one
from models.schemas.strings import Labels, ModelId, Name, Request, Said, Storable


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class SearchFilter(Request):
    """Only documents that match all of these."""

    domain: Name | None = None
    dataset_id: Storable | None = None
    external_id: Annotated[list[Storable], BeforeValidator(_as_list)] = Field(
        [], max_length=200, description="Any of these."
    )
    labels: Labels = Field({}, description="All of these.")


class SearchRequest(Request):
    """Exactly one of `text`, `conversation`, `analysis_id` or `vector`."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"text": "who is late for dinner", "k": 5}]}
    )
    INPUTS: ClassVar[tuple[str, ...]] = ("text", "conversation", "analysis_id", "vector")

    text: Said | None = None
    conversation: Conversation | None = None
    analysis_id: Annotated[
        Storable | None, Field(description="Near to what this analysis measured; itself left out.")
    ] = None
    vector: Annotated[
        list[FiniteFloat | None] | None,
        Field(
            min_length=1,
            max_length=65_536,
            description="In the space `profile` as measured: all heads' distance, layer by layer, then dispersion, "
            "interdependency and sink; null where one is undefined.",
        ),
    ] = None
    space: Literal["embedding", "profile"] = Field("embedding", description="Profiles are of documents only.")
    scope: Literal["documents", "turns"] = "documents"
    model: ModelId | None = None
    k: int = Field(10, ge=1, le=200)
    filter: SearchFilter = SearchFilter()
    job_id: Annotated[Storable | None, Field(description="Only analyses of this job, a comparison's too.")] = None

    @model_validator(mode="after")
    def _one_input(self) -> Self:
        exactly_one({name: getattr(self, name) for name in self.INPUTS})
        return self


class Hit(BaseModel):
    """One document or turn that is near. Equal documents under equal weights are one."""

    analysis_id: str = Field(description="The newest of `analyses`, whose document is told of.")
    analyses: list[str] = Field(description="Every analysis of it that matches, the newest first; at most 100.")
    turn: int | None = Field(description="The turn's number from 0, where turns were searched.")
    speaker: str | None = Field(description="Who said the turn.")
    score: float = Field(description="Cosine similarity: 1 is the same direction.")
    domain: str | None
    external_id: str | None
    snippet: str = Field(description="How it begins.")


class ProfileSpace(BaseModel):
    """In what space profiles were compared, and which were not."""

    definition: str = Field(
        description="Names the metrics, the texts that profiles are standardised by, the projection."
    )
    numbers: int | None = Field(description="Of a profile: four for each head. Null until a worker has read the texts.")
    dimension: int | None = Field(
        description="Of a point. Less than `numbers`: projected, scores are off by about 0.02."
    )
    missing: int = Field(description="Candidates without a profile yet. They are not among the items; ask again later.")


class SearchAnswer(BaseModel):
    """The nearest first."""

    items: list[Hit]
    exact: bool = Field(description="True when every candidate was compared; false when an index was asked.")
    model: str
    profile: ProfileSpace | None = Field(None, description="In the space `profile`.")
