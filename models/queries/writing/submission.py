"""Submission: a job, its documents, its work items and the wake-ups for them, in the caller's one transaction.

What is known already is answered at once from measurements that exist; only the rest is queued. One document that
somebody waits for has a statement of its own (`models.queries.writing.analysis_submission`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Integer,
    Select,
    Text,
    bindparam,
    cast,
    func,
    insert,
    literal,
    select,
)

from attention.measure.batches import CHARACTERS_PER_TOKEN
from models.errors import DatasetUnknown, NoDocuments, QueueFull, TooFewDocuments
from models.identifiers import new_identifier
from models.queries.queue.job_state import settle_jobs
from models.queries.queue.outbox import Wakeup, write_wakeups, written_wakeups
from models.queries.writing.idempotency import IdempotencyKey, earlier_resource, remember_resource
from models.queries.writing.reuse import answer_known_items
from models.session_limits import allow_long_statements
from models.states import ItemState
from models.tables import BACKGROUND, comparison, dataset, document, job, work_item
from models.work import Control, WorkOptions, request_settings


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model of the models file: its id, and the settings that decide whether two requests ask for equal work."""

    id: str
    dtype: str
    max_tokens: int | None


@dataclass(frozen=True, slots=True)
class SubmissionOptions:
    """Who submits, how many documents they may have waiting, and what the request's headers ask for."""

    tenant_id: str
    max_queued: int
    cancel_after: timedelta | None = None
    idempotency: IdempotencyKey | None = None


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document that arrives with the request that wants it measured."""

    content: dict[str, Any]
    characters: int
    external_id: str | None = None
    domain: str | None = None
    labels: Mapping[str, str] | None = None
    reading: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class GroupDocuments:
    """Which documents of a data set, under which model, make one group of a comparison."""

    name: str
    dataset_id: str
    domain: str | None
    model: ModelRef
    limit: int | None


@dataclass(frozen=True, slots=True)
class Submitted:
    """The job, new or found again by its idempotency key, and the wake-ups to be sent after the commit."""

    job_id: str
    wakeups: tuple[Wakeup, ...] = ()


def submit_batch(
    connection: Connection,
    submission: SubmissionOptions,
    dataset_id: str,
    domain: str | None,
    model: ModelRef,
    options: WorkOptions,
    request: dict[str, Any],
) -> Submitted:
    """Every document of a data set, or those of one domain.

    Raises `DatasetUnknown`, `NoDocuments`, `QueueFull`, `KeyReused`, `KeyInProgress`.
    """
    if found := _earlier(connection, submission):
        return found
    _hold_datasets(connection, submission.tenant_id, {dataset_id: "/dataset_id"})
    chosen = _documents(dataset_id, domain)
    total = _count(connection, chosen)
    if not total:
        raise NoDocuments(dataset_id, domain, "/domain" if domain is not None else "/dataset_id")
    job_id = _insert_job(connection, submission, "batch", request, total)
    _insert_items(connection, submission, job_id, chosen.order_by(document.c.position), model, options)
    return _accept(connection, submission, job_id, (model,))


def submit_comparison(
    connection: Connection,
    submission: SubmissionOptions,
    groups: Sequence[GroupDocuments],
    options: WorkOptions,
    smallest: int,
    request: dict[str, Any],
    controls: Sequence[Control] = (),
) -> Submitted:
    """Every group's documents, each under its group's model, and the comparison that waits for them.

    Each control has all groups once more, at the positions after those before; texts, which have no turns, are left out
    of the controls of turns.
    A group's `limit` draws by the seed and the documents' content, so that their order in the data set does not matter.
    Raises `DatasetUnknown`, `TooFewDocuments`, `QueueFull`, `KeyReused`, `KeyInProgress`.
    """
    if found := _earlier(connection, submission):
        return found
    pointers = {group.dataset_id: f"/groups/{index}/dataset_id" for index, group in reversed([*enumerate(groups)])}
    _hold_datasets(connection, submission.tenant_id, pointers)
    total, parts = 0, []
    seed = options.sampling.seed if options.sampling is not None else 0
    for index, group in enumerate(groups):
        found_here = _count(connection, _documents(group.dataset_id, group.domain))
        if found_here < smallest:
            raise TooFewDocuments(group.name, found_here, smallest, f"/groups/{index}")
        chosen = _drawn(group, seed)
        total += min(found_here, group.limit or found_here)
        parts.append((index, group.model, chosen, options))
        for number, control in enumerate(controls, start=1):
            wanted = chosen if control in ANY_DOCUMENT else _with_turns(chosen)
            total += _count(connection, wanted)
            parts.append((number * len(groups) + index, group.model, wanted, options.under(control)))
    job_id = _insert_job(connection, submission, "comparison", request, total)
    connection.execute(
        insert(comparison).values(
            id=new_identifier("cmp"), tenant_id=submission.tenant_id, job_id=job_id, request=request
        )
    )
    for position, model, chosen, measured_by in parts:
        _insert_items(connection, submission, job_id, chosen, model, measured_by, position)
    return _accept(connection, submission, job_id, tuple({group.model.id: group.model for group in groups}.values()))


ANY_DOCUMENT: tuple[Control, ...] = ("untrained", "shuffled_tokens")
"""The controls that say something of a text too."""


def _drawn(group: GroupDocuments, seed: int) -> Select[Any]:
    chosen = _documents(group.dataset_id, group.domain)
    if group.limit is None:
        return chosen
    drawn = func.sha256(document.c.content_sha256.op("||")(literal(str(seed).encode())))
    return chosen.order_by(drawn, document.c.position).limit(group.limit)


def _with_turns(chosen: Select[Any]) -> Select[Any]:
    return select(document.c.id).where(document.c.id.in_(chosen), ~document.c.content.has_key("text"))


def _earlier(connection: Connection, submission: SubmissionOptions) -> Submitted | None:
    """The job that the first request with this idempotency key made."""
    if submission.idempotency is None:
        return None
    resource = earlier_resource(connection, submission.tenant_id, submission.idempotency)
    return Submitted(resource) if resource is not None else None


def _hold_datasets(connection: Connection, tenant_id: str, pointers: Mapping[str, str]) -> None:
    """Keep the data sets from being deleted until this transaction ends, which may be large."""
    allow_long_statements(connection)
    found = connection.execute(
        select(dataset.c.id)
        .where(dataset.c.tenant_id == tenant_id, dataset.c.id.in_(pointers))
        .order_by(dataset.c.id)
        .with_for_update(read=True, key_share=True)
    ).scalars()
    missing = pointers.keys() - set(found)
    for dataset_id, pointer in pointers.items():
        if dataset_id in missing:
            raise DatasetUnknown(dataset_id, pointer)


def _documents(dataset_id: str, domain: str | None) -> Select[Any]:
    chosen: Select[Any] = select(document.c.id).where(document.c.dataset_id == dataset_id)
    return chosen if domain is None else chosen.where(document.c.domain == domain)


def _count(connection: Connection, chosen: Select[Any]) -> int:
    return int(connection.execute(select(func.count()).select_from(chosen.subquery())).scalar_one())


def _insert_job(
    connection: Connection, submission: SubmissionOptions, kind: str, request: dict[str, Any], total: int
) -> str:
    _refuse_full_queue(connection, submission, total)
    job_id = new_identifier("job")
    until = None if submission.cancel_after is None else func.now() + submission.cancel_after
    connection.execute(
        insert(job).values(
            id=job_id, tenant_id=submission.tenant_id, kind=kind, request=request, total=total, cancel_after=until
        )
    )
    return job_id


def _refuse_full_queue(connection: Connection, submission: SubmissionOptions, total: int) -> None:
    queued = literal(ItemState.QUEUED, Text, literal_execute=True)
    waiting = select(literal(1)).where(work_item.c.tenant_id == submission.tenant_id, work_item.c.state == queued)
    count = _count(connection, waiting.limit(submission.max_queued + 1))
    if count + total > submission.max_queued:
        raise QueueFull(count + total, submission.max_queued)


def _insert_items(
    connection: Connection,
    submission: SubmissionOptions,
    job_id: str,
    chosen: Select[Any],
    model: ModelRef,
    options: WorkOptions,
    group_position: int | None = None,
) -> None:
    """One item for each chosen document, made inside the database however many there are."""
    characters = document.c.characters
    estimate: ColumnElement[Any] = func.greatest(1, func.round(characters / CHARACTERS_PER_TOKEN))
    if options.sampling is not None:
        window, count = options.sampling.window_estimate, options.sampling.count
        estimate = func.least(estimate, window * count) + (window if options.sampling.first_window else 0)
    settings: BindParameter[bytes] = bindparam("settings", request_settings(options, model.max_tokens))
    columns = {
        "tenant_id": literal(submission.tenant_id),
        "job_id": literal(job_id),
        "document_id": document.c.id,
        "model_id": literal(model.id),
        "group_position": literal(group_position, work_item.c.group_position.type),
        "options": literal(options.model_dump(mode="json"), work_item.c.options.type),
        "request_key": func.sha256(document.c.content_sha256.op("||")(settings)),
        "priority": literal(BACKGROUND),
        "estimated_tokens": cast(estimate, Integer),
    }
    connection.execute(insert(work_item).from_select(list(columns), chosen.with_only_columns(*columns.values())))


def _accept(
    connection: Connection, submission: SubmissionOptions, job_id: str, models: Sequence[ModelRef]
) -> Submitted:
    """Answer what is known, write a wake-up for each model that has work left, remember the idempotency key."""
    for model in models:
        answer_known_items(connection, job_id, model.id, model.dtype)
    if submission.idempotency is not None:
        remember_resource(connection, submission.tenant_id, submission.idempotency, job_id)
    queued = (
        select(work_item.c.model_id)
        .where(work_item.c.job_id == job_id, work_item.c.state == ItemState.QUEUED)
        .distinct()
    )
    left = list(connection.execute(queued.order_by(work_item.c.model_id)).scalars())
    write_wakeups(connection, left)
    if not left:
        settle_jobs(connection, [job_id])
    return Submitted(job_id, written_wakeups(connection))
