"""Lists: a page of items, where the next page begins, how many there are, and what they are when added up."""

from typing import Generic, TypeVar

from pydantic import BaseModel, Field

Item = TypeVar("Item")


class Total(BaseModel):
    """How many items the whole list has."""

    value: int
    exact: bool = Field(description="False where it is an estimate, which is made above 10,000.")


class Page(BaseModel, Generic[Item]):
    """Part of a list, newest first unless sorted otherwise."""

    items: list[Item]
    next: str | None = Field(description="Give it as `cursor` for the next page; null on the last one.")


class CountedPage(Page[Item], Generic[Item]):
    """A page of a list that was asked how long it is."""

    total: Total


class GroupCount(BaseModel):
    """How many analyses there are of one kind."""

    value: str | None = Field(description="What they have in common; null where they have none.")
    count: int


class Summary(BaseModel):
    """How many analyses there are of each kind, the most frequent first."""

    by: str
    total: int = Field(description="Of all groups together, those that are not shown too.")
    groups: int = Field(description="How many groups there are; the largest 1,000 are shown.")
    items: list[GroupCount]


class Quantiles(BaseModel):
    """Values that so great a share of the analyses stays below."""

    p05: float
    p25: float
    p50: float
    p75: float
    p95: float


class GroupStatistics(BaseModel):
    """How a metric is distributed in one group."""

    value: str | None = Field(description="What its analyses have in common; null where they have none, or are all.")
    n: int = Field(description="Analyses in which the metric is defined; each counts once.")
    undefined: int = Field(description="Analyses in which it is not.")
    mean: float | None
    deviation: float | None = Field(description="The sample's standard deviation; null for fewer than two.")
    least: float | None
    greatest: float | None
    quantiles: Quantiles | None = Field(description="Interpolated; null where the metric is never defined.")


class Statistics(BaseModel):
    """How a metric is distributed, the largest group first; at most 1,000 groups."""

    metric: str
    unit: str
    layer: int | None = Field(description="Null: the document's value, the mean over layers and heads.")
    by: str | None
    items: list[GroupStatistics]
