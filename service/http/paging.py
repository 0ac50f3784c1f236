"""Lists page by page: each page says by a cursor where the next one begins, after the values of its own last row."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from sqlalchemy import Row

from models.schemas.listing import Page
from service.http.cursors import Value, read_cursor, write_cursor

Limit = Annotated[int, Query(ge=1, le=200, description="How many items a page has, at most.")]
Cursor = Annotated[str | None, Query(max_length=2_000, description="`next` of the page before.")]

Position = TypeVar("Position")
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class ListOrder(Generic[Position]):
    """In what order a list is: a cursor of another `name` is refused.

    `values` gives the values of a row that say where it stands, `kinds` their types (see `read_cursor`), and `position`
    makes of them what the list's query takes.
    """

    name: str
    kinds: tuple[type, ...]
    values: Callable[[Row[Any]], tuple[Value, ...]]
    position: Callable[..., Position]

    def after(self, cursor: str | None) -> Position | None:
        """The position that a cursor names; None for the first page. Raises a `Problem` for any other string."""
        return None if cursor is None else self.position(*read_cursor(cursor, self.name, *self.kinds))


def newest_first(name: str) -> ListOrder[tuple[datetime, str]]:
    """The order of a list by the time of making, and by id among equal times."""
    return ListOrder(name, (datetime, str), lambda row: (row.created_at, row.id), lambda *values: values)


def by_number(name: str, column: str) -> ListOrder[int]:
    """The order of a list by a column of integers."""
    return ListOrder(name, (int,), lambda row: (row._mapping[column],), int)


async def read_page(
    order: ListOrder[Position],
    cursor: str | None,
    limit: int,
    read: Callable[[Position | None, int], Awaitable[Sequence[Row[Any]]]],
    view: Callable[[Row[Any]], Item],
) -> Page[Item]:
    """A page of a list. `read` gives so many rows after a position; one more than is shown tells whether more follow.

    Raises a `Problem` for a cursor that is not of this list.
    """
    rows = await read(order.after(cursor), limit + 1)
    shown = rows[:limit]
    following = write_cursor(order.name, *order.values(shown[-1])) if len(rows) > limit else None
    return Page(items=[view(row) for row in shown], next=following)
