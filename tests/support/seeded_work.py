"""Jobs, documents and work items written straight into a database, as the service writes them."""

import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Table, func, insert, select

from models.identifiers import new_identifier
from models.queries.queue.outbox import write_wakeups
from models.tables import BACKGROUND, LOCAL_TENANT, comparison, document, job, tenant, work_item
from models.work import WorkOptions, content_digest, request_key

MODEL = "all-MiniLM-L6-v2"


def add_tenant(connection: Connection, name: str) -> str:
    """Another tenant than the local one."""
    connection.execute(insert(tenant).values(id=name, name=name))
    return name


def add_job(
    connection: Connection,
    contents: Sequence[dict[str, Any] | str],
    *,
    model: str = MODEL,
    kind: str = "batch",
    priority: int = BACKGROUND,
    tenant_id: str = LOCAL_TENANT,
    tokens: Sequence[int] | None = None,
    options: WorkOptions | None = None,
    groups: Sequence[int] | None = None,
    request: dict[str, Any] | None = None,
    **columns: Any,
) -> str:
    """One job with an item for each content; a string is a text. `tokens` are the estimates."""
    options = options or WorkOptions()
    job_id = new_identifier("job")
    connection.execute(
        insert(job).values(
            id=job_id, tenant_id=tenant_id, kind=kind, request=request or {}, total=len(contents), **columns
        )
    )
    for position, given in enumerate(contents):
        content = {"text": given} if isinstance(given, str) else given
        digest = content_digest(content)
        document_id = new_identifier("doc")
        characters = len(str(content))
        connection.execute(
            insert(document).values(
                id=document_id,
                tenant_id=tenant_id,
                position=position,
                content=content,
                content_sha256=digest,
                characters=characters,
            )
        )
        connection.execute(
            insert(work_item).values(
                tenant_id=tenant_id,
                job_id=job_id,
                document_id=document_id,
                model_id=model,
                options=options.model_dump(mode="json"),
                request_key=request_key(digest, options, None),
                priority=priority,
                estimated_tokens=tokens[position] if tokens else max(1, characters // 3),
                group_position=groups[position] if groups else None,
            )
        )
    if kind == "comparison":
        connection.execute(
            insert(comparison).values(
                id=new_identifier("cmp"), tenant_id=tenant_id, job_id=job_id, request=request or {}
            )
        )
    write_wakeups(connection, [model])
    return job_id


def states(engine: Engine, job_id: str) -> dict[str, int]:
    """How many of a job's items are in which state."""
    with engine.connect() as connection:
        rows = connection.execute(
            select(work_item.c.state, func.count()).where(work_item.c.job_id == job_id).group_by(work_item.c.state)
        )
        return dict(rows.all())


def job_row(engine: Engine, job_id: str) -> Any:
    """The job's row."""
    with engine.connect() as connection:
        return connection.execute(select(job).where(job.c.id == job_id)).one()


def count(engine: Engine, table: Table) -> int:
    """How many rows a table has."""
    with engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


WORDS = "the river runs past old houses where people talk about rain and bread until evening comes again"


def words(count: int, seed: int) -> str:
    """A text of so many words, different for every seed."""
    known = WORDS.split()
    return " ".join(known[(seed * 7 + place * (3 + seed % 5)) % len(known)] for place in range(count)) + f" {seed}."


def numbers(count: int, seed: int) -> str:
    """A text of so many numbers, different for every seed."""
    return " ".join(str((seed * 37 + place * place) % 1000) for place in range(count))


def unique_text() -> str:
    """A short text that no other test has."""
    return f"A note that says {secrets.token_hex(8)} and nothing more."
