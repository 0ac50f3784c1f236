"""A new document on a stored map."""

from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.schemas.documents import Conversation, exactly_one
from models.schemas.strings import Request, Said, Storable


class PlaceRequest(Request):
    """Exactly one of `analysis_id`, `conversation` or `text`."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"text": "who is late for dinner"}]}
    )
    INPUTS: ClassVar[tuple[str, ...]] = ("analysis_id", "conversation", "text")

    analysis_id: Annotated[Storable | None, Field(description="The document of this analysis.")] = None
    conversation: Conversation | None = None
    text: Said | None = None

    @model_validator(mode="after")
    def _one_input(self) -> Self:
        exactly_one({name: getattr(self, name) for name in self.INPUTS})
        return self


class Neighbour(BaseModel):
    """A document of the map that is near."""

    analysis_id: str
    group: str
    x: float
    y: float
    similarity: float = Field(description="Cosine similarity of the embeddings.")


class Placed(BaseModel):
    """Where the document stands on one map."""

    x: float
    y: float
    group: str = Field(description="The group with most of the neighbours' similarity.")
    method: str = Field(description="How the place was found.")
    perplexity: float = Field(description="The perplexity of the new document's affinities to its nearest documents.")
    exaggeration: float = Field(description="How many times these affinities count.")
    iterations: int = Field(description="How many steps of the descent were made.")
    neighbours: list[Neighbour]


class Placement(BaseModel):
    """The document's place on the map of each space."""

    embedding: Placed
