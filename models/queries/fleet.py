"""What the workers say of themselves: which are alive, which models they serve, and what those models are."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from models.tables import model, model_version, work_item, worker


def register_worker(
    connection: Connection, worker_id: str, *, models: Sequence[str], summaries: bool, facts: dict[str, Any]
) -> None:
    """Say that a worker process is alive. `facts` hold at least `host`; safe to repeat after the row was removed."""
    row = insert(worker).values(id=worker_id, models=list(models), summaries=summaries, facts=facts)
    connection.execute(row.on_conflict_do_update(index_elements=["id"], set_={"heartbeat_at": func.now()}))


def beat(connection: Connection, worker_id: str) -> bool:
    """Renew the worker's heartbeat; False when its row is gone and it has to register again."""
    renewed = connection.execute(update(worker).where(worker.c.id == worker_id).values(heartbeat_at=func.now()))
    return renewed.rowcount == 1


def remove_worker(connection: Connection, worker_id: str) -> None:
    """The worker has ended in good order."""
    connection.execute(delete(worker).where(worker.c.id == worker_id))


def workers_on_host(connection: Connection, host: str, alive_seconds: float) -> int:
    """How many living workers share the machine `host`."""
    alive = (
        select(func.count())
        .select_from(worker)
        .where(
            worker.c.facts["host"].astext == host,
            worker.c.heartbeat_at > func.now() - timedelta(seconds=alive_seconds),
        )
    )
    return int(connection.execute(alive).scalar_one())


def end_leases_of_predecessors(connection: Connection, *, host: str, parent: str) -> list[str]:
    """The lost processes of one parent are dead for certain: let their leases end now, and remove their rows.

    `host` and `parent` name the process that starts workers one after another; returns the dead workers' ids.
    """
    dead = list(
        connection.execute(
            delete(worker)
            .where(worker.c.facts["host"].astext == host, worker.c.facts["parent"].astext == parent)
            .returning(worker.c.id)
        ).scalars()
    )
    if dead:
        connection.execute(
            update(work_item)
            .where(work_item.c.state == "running", work_item.c.worker_id.in_(dead))
            .values(leased_until=func.now())
        )
    return dead


def register_models(connection: Connection, model_ids: Sequence[str]) -> None:
    """Make a row for each model of the models file that has none; what is known of the others stays."""
    rows = [{"id": model_id, "state": "registered"} for model_id in sorted(model_ids)]
    connection.execute(insert(model).on_conflict_do_nothing(), rows)


def set_model_state(
    connection: Connection, model_id: str, state: str, reason: str | None = None, message: str | None = None
) -> None:
    """`registered`, `loading`, `ready`, `refused` or `unavailable`, the last two with their reason."""
    values = {"state": state, "reason": reason, "message": message, "updated_at": func.now()}
    row = insert(model).values(id=model_id, **values)
    connection.execute(row.on_conflict_do_update(index_elements=["id"], set_=values))


def set_model_ready(connection: Connection, model_id: str, facts: dict[str, Any]) -> int:
    """Store the facts of a model that was opened, and return the key of its version, new or known.

    `facts` are those of `attention.model.ModelFacts`; revision, weights_sha256, dtype and hidden_size make the version.
    """
    version = insert(model_version).values(
        model_id=model_id,
        revision=facts["revision"],
        weights_sha256=facts["weights_sha256"],
        dtype=facts["dtype"],
        dimension=facts["hidden_size"],
        facts=facts,
    )
    key = connection.execute(
        version.on_conflict_do_update(
            index_elements=["model_id", "weights_sha256", "dtype"],
            set_={"revision": version.excluded.revision, "facts": version.excluded.facts},
        ).returning(model_version.c.key)
    ).scalar_one()
    values = {
        "state": "ready",
        "reason": None,
        "message": None,
        "facts": facts,
        "version_key": key,
        "updated_at": func.now(),
    }
    row = insert(model).values(id=model_id, **values)
    connection.execute(row.on_conflict_do_update(index_elements=["id"], set_=values))
    return int(key)
