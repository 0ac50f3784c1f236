"""Data sets: many documents that arrived together."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from models.schemas.readings import DatasetReading

DatasetLayout = Literal["auto", "documents", "utterances", "convokit", "sharegpt", "openai", "oasst", "hh"]
"""What the fields of a data set's records mean."""
DatasetBranches = Literal["preferred", "rejected", "all"]
"""Of records that hold several conversations, which are read."""


class Dataset(BaseModel):
    """What arrived: how much of it, of which domains, and its digest."""

    id: str = Field(examples=["ds_01kb3v9q7d5m2x8rwn4t6ghj0c"])
    name: str
    sha256: str = Field(description="Of the bytes as they were sent.")
    documents: int
    domains: dict[str, int] = Field(description="Documents of each domain; those without one are not listed.")
    bytes: int
    passed_over: dict[str, int] = Field(
        description="Fields that are no part of a data set's line, with the number of documents that had them.",
        examples=[{"source": 480, "turns.time": 120}],
    )
    layout: str | None = Field(description="What the records were taken for; null where it was stored without.")
    reading: DatasetReading | None = Field(description="What was taken for what, and what could be otherwise.")
    created_at: datetime
