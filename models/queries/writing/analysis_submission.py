"""Submission of one document that somebody waits for, in one statement, which is a transaction by itself.

What a batch does step by step happens here at once, since for one document each step costs more on the way to the
server than in it: the look for an earlier request under the same key, for room in the queue and for equal work, and the
rows.
"""

from typing import Any, Final

from sqlalchemy import Connection, Interval, LargeBinary, Row, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from attention.measure.batches import estimate_tokens
from models.errors import KeyInProgress, KeyReused, QueueFull
from models.identifiers import new_identifier
from models.queries.queue.outbox import Wakeup, queue_of
from models.queries.writing.idempotency import lock_number
from models.queries.writing.reuse import TIMING
from models.queries.writing.submission import ModelRef, NewDocument, SubmissionOptions, Submitted
from models.tables import INTERACTIVE
from models.work import WorkOptions, content_digest, request_key

# Every part sees the database as it was when the statement began, so what one part decides reaches the others by the
# rows that it returns: `accepted` has a row where the document is taken, `known` one where it was measured before.
_ROOM: Final = """
    waiting AS MATERIALIZED (
        SELECT count(*) AS items FROM (
            SELECT FROM work_item WHERE tenant_id = :tenant AND state = 'queued' LIMIT :max_queued + 1
        ) AS queued
    )"""

_ACCEPTED: Final = """,
    accepted AS (SELECT FROM waiting WHERE items < :max_queued)"""

# A key is held from before the look for it until the commit. One that was committed after this statement began is
# not seen by `earlier`, but the insertion meets it and takes nothing: then the statement is executed anew.
_ACCEPTED_UNDER_KEY: Final = """,
    held AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(:lock) AS is_ours),
    earlier AS MATERIALIZED (
        SELECT resource, body_sha256 FROM idempotency
        WHERE tenant_id = :tenant AND key = :key AND created_at > now() - make_interval(secs => :kept_seconds)
    ),
    accepted AS (
        INSERT INTO idempotency (tenant_id, key, body_sha256, resource)
        SELECT :tenant, :key, :request_sha256, :job FROM held, waiting
        WHERE is_ours AND items < :max_queued AND NOT EXISTS (SELECT FROM earlier)
        ON CONFLICT (tenant_id, key) DO UPDATE
        SET body_sha256 = excluded.body_sha256, resource = excluded.resource, created_at = excluded.created_at
        WHERE idempotency.created_at <= now() - make_interval(secs => :kept_seconds)
        RETURNING key
    )"""

_ROWS: Final = """,
    known AS MATERIALIZED (
        SELECT measurement.id FROM accepted, known_request
        JOIN model ON model.id = :model AND model.version_key = known_request.version_key
        JOIN model_version ON model_version.key = model.version_key AND model_version.dtype = :dtype
        JOIN measurement ON measurement.id = known_request.measurement_id
        WHERE known_request.tenant_id = :tenant AND known_request.request_key = :request_key
        FOR KEY SHARE OF measurement
    ),
    taken AS (
        SELECT known.id AS measurement_id, CASE WHEN known.id IS NOT NULL THEN now() END AS answered_at
        FROM accepted LEFT JOIN known ON true
    ),
    new_job AS (
        INSERT INTO job (id, tenant_id, kind, request, total, cancel_after, state, started_at, finished_at)
        SELECT :job, :tenant, 'analysis', :request, 1, now() + :cancel_after,
            CASE WHEN measurement_id IS NULL THEN 'queued' ELSE 'succeeded' END, answered_at, answered_at
        FROM taken
    ),
    new_document AS (
        INSERT INTO document (
            id, tenant_id, position, external_id, domain, labels, content, content_sha256, characters, reading
        )
        SELECT :document, :tenant, 0, :external_id, :domain, :labels, :content, :content_sha256, :characters, :reading
        FROM taken
    ),
    new_item AS (
        INSERT INTO work_item (
            tenant_id, job_id, document_id, model_id, options, request_key, priority, estimated_tokens, state,
            started_at, finished_at
        )
        SELECT :tenant, :job, :document, :model, :options, :request_key, :priority, :estimated_tokens,
            CASE WHEN measurement_id IS NULL THEN 'queued' ELSE 'done' END, answered_at, answered_at
        FROM taken
        RETURNING id
    ),
    new_analysis AS (
        INSERT INTO analysis (
            id, tenant_id, job_id, work_item_id, document_id, measurement_id, model_id, listed, cached, timing
        )
        SELECT :analysis, :tenant, :job, new_item.id, :document, known.id, :model, true, true, :timing
        FROM known, new_item
    ),
    new_wakeup AS (
        INSERT INTO outbox (queue) SELECT :queue FROM taken WHERE measurement_id IS NULL RETURNING id
    )
SELECT
    (SELECT items FROM waiting) AS waiting,
    EXISTS (SELECT FROM accepted) AS accepted,
    (SELECT id FROM new_wakeup) AS wakeup"""

_UNDER_KEY: Final = """,
    (SELECT is_ours FROM held) AS is_ours,
    (SELECT resource FROM earlier) AS earlier,
    (SELECT body_sha256 FROM earlier) AS earlier_sha256"""

_TYPES: Final = (
    *(bindparam(name, type_=JSONB) for name in ("request", "labels", "content", "options", "timing")),
    bindparam("reading", type_=JSONB(none_as_null=True)),
    *(bindparam(name, type_=LargeBinary) for name in ("content_sha256", "request_key")),
    bindparam("cancel_after", type_=Interval),
)
_SUBMIT: Final = text(f"WITH{_ROOM}{_ACCEPTED}{_ROWS}").bindparams(*_TYPES)
_SUBMIT_UNDER_KEY: Final = text(f"WITH{_ROOM}{_ACCEPTED_UNDER_KEY}{_ROWS}{_UNDER_KEY}").bindparams(
    *_TYPES, bindparam("request_sha256", type_=LargeBinary)
)


def submit_analysis(
    connection: Connection,
    submission: SubmissionOptions,
    job_id: str,
    sent: NewDocument,
    model: ModelRef,
    options: WorkOptions,
    request: dict[str, Any],
) -> Submitted:
    """One document to be measured for somebody who waits, as the job `job_id`, which the caller can wait for already.

    One statement, unless the same key was sent twice in the same moment. `wakeups` is empty where nothing is left to
    be measured. Raises `QueueFull`, `KeyReused`, `KeyInProgress`.
    """
    digest = content_digest(sent.content)
    values: dict[str, Any] = {
        "tenant": submission.tenant_id,
        "max_queued": submission.max_queued,
        "job": job_id,
        "request": request,
        "cancel_after": submission.cancel_after,
        "document": new_identifier("doc"),
        "external_id": sent.external_id,
        "domain": sent.domain,
        "labels": dict(sent.labels or {}),
        "content": sent.content,
        "content_sha256": digest,
        "characters": sent.characters,
        "reading": sent.reading,
        "model": model.id,
        "dtype": model.dtype,
        "options": options.model_dump(mode="json"),
        "request_key": request_key(digest, options, model.max_tokens),
        "priority": INTERACTIVE,
        "estimated_tokens": estimate_tokens(sent.characters),
        "analysis": new_identifier("an"),
        "timing": TIMING,
        "queue": queue_of(model.id),
    }
    key = submission.idempotency
    if key is None:
        made = connection.execute(_SUBMIT, values).one()
    else:
        values |= {
            "lock": lock_number(submission.tenant_id, key),
            "key": key.key,
            "kept_seconds": key.hours * 3600,
            "request_sha256": key.body_sha256,
        }
        made = connection.execute(_SUBMIT_UNDER_KEY, values).one()
        if not made.is_ours:
            raise KeyInProgress
        if made.earlier is not None:
            return _found_again(made, key.body_sha256)
    if made.accepted:
        return Submitted(job_id, (Wakeup(made.wakeup, values["queue"]),) if made.wakeup is not None else ())
    if made.waiting >= submission.max_queued:
        raise QueueFull(made.waiting + 1, submission.max_queued)
    return submit_analysis(connection, submission, job_id, sent, model, options, request)


def _found_again(made: Row[Any], request_sha256: bytes) -> Submitted:
    """What the first request under the key made."""
    if bytes(made.earlier_sha256) != request_sha256:
        raise KeyReused
    return Submitted(str(made.earlier))
