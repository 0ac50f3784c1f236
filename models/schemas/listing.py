"""Lists: a page of items, and where the next page begins."""

from typing import Generic, TypeVar

from pydantic import BaseModel, Field

Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """Part of a list, newest first unless sorted otherwise."""

    items: list[Item]
    next: str | None = Field(description="Give it as `cursor` for the next page; null on the last one.")
