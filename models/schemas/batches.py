"""Batches: every document of a data set, measured under one model."""

from typing import Annotated

from pydantic import Field

from models.schemas.analyses import Overflow, SpeakerLabels
from models.schemas.strings import ModelId, Name, Request, Storable
from models.work import WorkOptions


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
