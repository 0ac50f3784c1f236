"""Inquiries: short questions to a worker, whose answer a request waits for and of which nothing is kept."""

from contextlib import aclosing
from datetime import timedelta
from typing import Any

from sqlalchemy import Row

from models.queries.queue.inquiries import ask, end_inquiry, read_inquiry
from models.states import InquiryState
from service.context import AppContext
from service.http.problems import MODEL_BUSY, Problem, failure

RETRY_AFTER = {"Retry-After": "5"}


async def answer_of(
    context: AppContext, tenant: str, model_id: str | None, kind: str, request: dict[str, Any]
) -> Row[Any]:
    """The response and body of a worker's answer to an inquiry (see `models.queries.queue.inquiries`).

    Raises a `Problem` when no worker answers within `inquiry_seconds`, or with the reason of the one that could not.
    """
    patience = context.settings.inquiry_seconds
    inquiry_id, wakeups = await context.database.run(ask, tenant, model_id, kind, request, timedelta(seconds=patience))
    context.wakeups.send(wakeups)
    try:
        async with aclosing(context.watcher.changes(inquiry_id, patience)) as changes:
            async for _ in changes:
                row = await context.database.single(read_inquiry, inquiry_id)
                if row is None:
                    break
                if row.state == InquiryState.DONE:
                    return row
                if row.state == InquiryState.FAILED:
                    raise failure(row.reason, row.message)
    finally:
        await context.database.run(end_inquiry, inquiry_id)
    of_what = "comparisons" if model_id is None else model_id
    raise Problem(MODEL_BUSY, f"No worker answered for {of_what} within {patience:g} seconds.", headers=RETRY_AFTER)
