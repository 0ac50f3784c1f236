"""Jobs: what was asked, how far it is, and what failed."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from models.schemas.analyses import Overflow, SpeakerLabels
from models.schemas.strings import ModelId, Name, Request, Storable
from models.states import JobState
from models.work import WorkOptions

JobKind = Literal["analysis", "batch", "comparison"]


class Progress(BaseModel):
    """Counts of documents: `done` includes `cached`; done + failed + cancelled reaches total."""

    total: int
    done: int
    cached: int = Field(description="Answered from equal work done before.")
    failed: int
    cancelled: int
    tokens_per_second: float | None = Field(description="Tokens measured in a second since it started; null before.")
    eta_seconds: float | None = Field(description="Estimated from the lengths of what is left; null when unknown.")


class Job(BaseModel):
    """One request that is worked on."""

    id: str = Field(examples=["job_01kb3v9q7d5m2x8rwn4t6ghj0c"])
    kind: JobKind
    state: JobState
    progress: Progress
    reason: str | None = Field(description="Why it failed: the name of a problem type.")
    message: str | None
    result: str | None = Field(description="Where the result is, or will be, found.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class Failure(BaseModel):
    """One document that could not be measured."""

    document_id: str | None
    dataset_id: str | None
    position: int | None = Field(description="Counts the documents of the data set from 0.")
    external_id: str | None
    domain: str | None
    model: str
    reason: str = Field(description="The name of a problem type.")
    message: str
    failed_at: datetime | None


class BatchRequest(Request):
    """Analyse every document of a data set, or those of one domain."""

    dataset_id: Storable = Field(examples=["ds_01kb3v9q7d5m2x8rwn4t6ghj0c"])
    model: ModelId | None = None
    domain: Annotated[Name | None, Field(description="Only documents of this domain.")] = None
    overflow: Overflow = "window"
    speaker_labels: SpeakerLabels = "keep"

    def options(self) -> WorkOptions:
        """How each document is to be measured."""
        return WorkOptions(overflow=self.overflow, labels=self.speaker_labels)
