"""Storing what passes found: made into measurements and written in one transaction, here or in a helper's process."""

import time
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Engine

from attention.measure.analysis import FoundPasses
from models.database_errors import StatementTimedOut, was_cancelled
from models.queries.queue.claims import ClaimedItem
from models.queries.search.profiles import StoredScale
from models.queries.writing.storing import Key, Outcome, store_outcomes
from models.session_limits import limit_statements
from models.settings import settings
from workers.measuring.rendering import RenderedItem

SECONDS_A_MEGABYTE = 1.0
"""What storing flow, of which a document may have hundreds of megabytes, may take besides, in one COPY."""


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An item to be stored: `place` is that of its document among those that were measured.

    It is None for an item whose measurement another one stores, or is stored already.
    """

    item: ClaimedItem
    work_key: bytes
    tokenize_ms: float
    place: int | None


@dataclass(frozen=True, slots=True)
class StoreOrder:
    """What is to be stored for a claim: its items, and what the passes over their documents found."""

    token: int
    model_id: str
    version_key: int
    scale: StoredScale | None
    items: tuple[StoredItem, ...]
    found: FoundPasses | None = None


def items_to_store(
    entries: Sequence[RenderedItem], open_items: Container[int], *, measured: bool
) -> tuple[StoredItem, ...]:
    """The items of these documents that are still open; of those that share a measurement the first one stores it."""
    items: list[StoredItem] = []
    for place, entry in enumerate(entries):
        wanted = [one for one in entry.all if one.item.id in open_items]
        for number, one in enumerate(wanted):
            own = place if measured and number == 0 else None
            items.append(StoredItem(replace(one.item, content={}), one.work_key, one.tokenize_ms, own))
    return tuple(items)


def parts_of(order: StoreOrder) -> list[StoreOrder]:
    """The same, one order for each document."""
    by_document: dict[Key, list[StoredItem]] = {}
    for each in order.items:
        by_document.setdefault((each.item.tenant_id, each.work_key), []).append(each)
    return [replace(order, items=tuple(items)) for items in by_document.values()]


def store(engine: Engine, order: StoreOrder) -> None:
    """Make the measurements and store them with their items, in one transaction guarded by the claim's token.

    Raises StatementTimedOut where a statement took longer than `store_seconds`, and `SECONDS_A_MEGABYTE` of flow more.
    One that was cancelled before that was cancelled by somebody else.
    """
    places = [each.place for each in order.items if each.place is not None]
    measured = dict(zip(places, order.found.measurements(places), strict=True)) if order.found is not None else {}
    outcomes = [
        Outcome(
            item=each.item,
            work_key=each.work_key,
            measured=None if each.place is None else measured[each.place],
            tokenize_ms=each.tokenize_ms,
            forward_ms=0.0 if each.place is None else measured[each.place].forward_ms,
        )
        for each in order.items
    ]
    flow_bytes = sum(each.flow.nbytes for each in measured.values() if each.flow is not None)
    limit, begun = settings().store_seconds + SECONDS_A_MEGABYTE * flow_bytes / 2**20, time.monotonic()
    try:
        _store(engine, order, outcomes, limit)
    except Exception as error:
        if was_cancelled(error) and time.monotonic() - begun >= limit:
            raise StatementTimedOut(f"a statement took longer than {limit:g} s") from error
        raise


def _store(engine: Engine, order: StoreOrder, outcomes: Sequence[Outcome], limit: float) -> None:
    with engine.begin() as connection:
        limit_statements(connection, limit)
        store_outcomes(connection, order.token, order.model_id, order.version_key, order.scale, outcomes)
