"""How a request that creates something is accepted, from its headers and the settings."""

import hashlib

from fastapi import Request

from models.queries.writing.submission import SubmissionOptions
from models.schemas.documents import Content, characters_of, turns_of
from models.settings import Settings
from service.auth.tenant import Tenant
from service.context import AppContextDep
from service.http.headers import CancelAfterHeader, IdempotencyKeyHeader, read_cancel_after, read_idempotency_key
from service.http.problems import DOCUMENT_TOO_LARGE, Problem


async def submission_options(
    request: Request,
    context: AppContextDep,
    tenant: Tenant,
    idempotency_key: IdempotencyKeyHeader = None,
    cancel_after: CancelAfterHeader = None,
) -> SubmissionOptions:
    """The options of a JSON request, as a route's dependency. Raises a `Problem` for headers that make no sense."""
    digest = hashlib.sha256(await request.body()).digest()
    return SubmissionOptions(
        tenant_id=tenant,
        max_queued=context.settings.max_queued_documents,
        cancel_after=read_cancel_after(cancel_after),
        idempotency=read_idempotency_key(
            idempotency_key, context.settings.idempotency_hours, request.method, path_of(request), digest
        ),
    )


def path_of(request: Request) -> str:
    """The path with its query, as it was sent."""
    return f"{request.url.path}?{request.url.query}"


def document_within_limits(settings: Settings, content: Content) -> None:
    """Raise a `Problem` for a document with too many characters or turns."""
    _within("characters", characters_of(content), settings.max_document_characters)
    _within("turns", turns_of(content), settings.max_turns)


def _within(what: str, actual: int, limit: int) -> None:
    if actual > limit:
        raise Problem(
            DOCUMENT_TOO_LARGE, f"The document has {actual} {what}; the limit is {limit}.", limit=limit, actual=actual
        )
