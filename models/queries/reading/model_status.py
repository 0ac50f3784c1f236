"""What is known of the served models: their facts, their present version, the workers that serve them."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, text

from models.states import ModelState
from models.tables import model, model_version, worker


def model_rows(connection: Connection) -> Mapping[str, Row[Any]]:
    """What the workers have reported of each model, by its id."""
    return {row.id: row for row in connection.execute(select(model))}


def models_and_workers(
    connection: Connection, alive_seconds: float
) -> tuple[Mapping[str, Row[Any]], Mapping[str, int]]:
    """`model_rows` and `live_workers`. Several statements, for `Database.read`."""
    return model_rows(connection), live_workers(connection, alive_seconds)


def live_workers(connection: Connection, alive_seconds: float) -> Mapping[str, int]:
    """How many workers with a recent heartbeat serve each model."""
    served = (
        select(func.unnest(worker.c.models).label("model_id"))
        .where(worker.c.heartbeat_at > func.now() - timedelta(seconds=alive_seconds))
        .subquery()
    )
    rows = connection.execute(select(served.c.model_id, func.count()).group_by(served.c.model_id))
    return dict(rows.all())


def loaded_models(connection: Connection, alive_seconds: float) -> frozenset[str]:
    """The models that some worker with a recent heartbeat has in memory."""
    loaded = select(func.jsonb_array_elements_text(worker.c.facts["loaded"]).label("model_id")).where(
        worker.c.heartbeat_at > func.now() - timedelta(seconds=alive_seconds), worker.c.facts.has_key("loaded")
    )
    return frozenset(connection.execute(loaded.distinct()).scalars())


def readiness(connection: Connection, alive_seconds: float) -> tuple[Mapping[str, int], Mapping[str, ModelState]]:
    """How many live workers each model has, and each model's state: `ready` only where one of them has it loaded.

    What was ready under workers that are gone is `registered` again. Several statements, for `Database.read`.
    """
    loaded = loaded_models(connection, alive_seconds)
    workers = live_workers(connection, alive_seconds)
    states = {}
    for model_id, row in model_rows(connection).items():
        fleeting = row.state == ModelState.READY or (row.state == ModelState.LOADING and not workers.get(model_id))
        told = ModelState.REGISTERED if fleeting else ModelState(row.state)
        states[model_id] = ModelState.READY if model_id in loaded else told
    return workers, states


def present_version(connection: Connection, model_id: str) -> Row[Any] | None:
    """Key and dimension of a model's present weights, or of its latest when it is not loaded now."""
    version: Select[Any] = (
        select(model_version.c.key, model_version.c.dimension)
        .join_from(model_version, model, (model.c.version_key == model_version.c.key), isouter=True)
        .where(model_version.c.model_id == model_id)
        .order_by(model.c.version_key.is_(None), model_version.c.key.desc())
        .limit(1)
    )
    return connection.execute(version).one_or_none()


def schema_revision(connection: Connection) -> str | None:
    """The last migration that was applied; None where none was."""
    if connection.execute(select(func.to_regclass("alembic_version"))).scalar_one() is None:
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def model_of_version(connection: Connection, key: int) -> str:
    """The id of the model that a version belongs to."""
    return str(connection.execute(select(model_version.c.model_id).where(model_version.c.key == key)).scalar_one())
