"""What the workers report: which of them are alive, which models they serve, and the facts of those models."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, cast, delete, func, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from models.queries.queue.claims import RUNNING
from models.states import ModelState, SummaryState
from models.tables import comparison, model, model_version, work_item, worker


def register_worker(
    connection: Connection, worker_id: str, *, models: Sequence[str], summaries: bool, facts: dict[str, Any]
) -> None:
    """Add a worker process as alive. `facts` hold at least `host`; safe to repeat after the row was removed."""
    row = insert(worker).values(id=worker_id, models=list(models), summaries=summaries, facts=facts)
    connection.execute(row.on_conflict_do_update(index_elements=["id"], set_={"heartbeat_at": func.now()}))


def renew_heartbeat(connection: Connection, worker_id: str, loaded: Sequence[str] = ()) -> bool:
    """Renew the worker's heartbeat, and say which models it has loaded; False when its row is gone.

    It has to register again then.
    """
    told = worker.c.facts.op("||")(func.jsonb_build_object("loaded", cast(list(loaded), JSONB)))
    renewed = connection.execute(
        update(worker).where(worker.c.id == worker_id).values(heartbeat_at=func.now(), facts=told)
    )
    return renewed.rowcount == 1


def remove_worker(connection: Connection, worker_id: str) -> None:
    """Remove a worker that has ended."""
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


def workers_of_parent(connection: Connection, host: str, parent: str) -> dict[str, dict[str, Any]]:
    """The rows of the processes that one parent process started on one machine: id to facts."""
    rows = connection.execute(
        select(worker.c.id, worker.c.facts).where(
            worker.c.facts["host"].astext == host, worker.c.facts["parent"].astext == parent
        )
    )
    return {row.id: row.facts for row in rows}


def end_leases(connection: Connection, worker_ids: Sequence[str]) -> None:
    """Remove workers that are known to be dead, and end their leases, so that the sweeper may queue their work now."""
    connection.execute(delete(worker).where(worker.c.id.in_(worker_ids)))
    held = (
        select(work_item.c.id)
        .where(work_item.c.state == RUNNING, work_item.c.worker_id.in_(worker_ids))
        .with_for_update(skip_locked=True)
    )
    connection.execute(
        update(work_item).where(work_item.c.id.in_(held.scalar_subquery())).values(leased_until=func.now())
    )
    connection.execute(
        update(comparison)
        .where(comparison.c.state == SummaryState.RUNNING, comparison.c.worker_id.in_(worker_ids))
        .values(leased_until=func.now())
    )


def end_every_lease(connection: Connection) -> None:
    """`end_leases` of every worker that is known, none of which lives."""
    end_leases(connection, list(connection.execute(select(worker.c.id)).scalars()))


def register_models(connection: Connection, model_ids: Sequence[str]) -> None:
    """Make a row for each model of the models file that has none; what is known of the others stays."""
    rows = [{"id": model_id, "state": ModelState.REGISTERED} for model_id in sorted(model_ids)]
    connection.execute(insert(model).on_conflict_do_nothing(), rows)


def set_model_state(
    connection: Connection, model_id: str, state: ModelState, reason: str | None = None, message: str | None = None
) -> None:
    """`registered`, `loading`, `refused` or `unavailable`, the last two with their reason.

    A model that another worker has ready does not go back to `loading`.
    """
    values = {"state": state, "reason": reason, "message": message, "updated_at": func.now()}
    row = insert(model).values(id=model_id, **values)
    unless_ready = model.c.state != ModelState.READY if state == ModelState.LOADING else None
    connection.execute(row.on_conflict_do_update(index_elements=["id"], set_=values, where=unless_ready))


def set_model_ready(connection: Connection, model_id: str, facts: dict[str, Any]) -> int:
    """Store the facts of a model that was opened, and return the key of its version, new or known."""
    key = register_version(connection, model_id, facts)
    values = {
        "state": ModelState.READY,
        "reason": None,
        "message": None,
        "facts": facts,
        "version_key": key,
        "updated_at": func.now(),
    }
    row = insert(model).values(id=model_id, **values)
    connection.execute(row.on_conflict_do_update(index_elements=["id"], set_=values))
    return key


def register_version(connection: Connection, model_id: str, facts: dict[str, Any]) -> int:
    """The key of a model version, added where it is new; the model's state stays as it is.

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
            index_elements=["model_id", "revision", "weights_sha256", "dtype"],
            set_={"facts": version.excluded.facts},
        ).returning(model_version.c.key)
    ).scalar_one()
    return int(key)
