"""What a service says is ready is what a living worker has in memory, whatever earlier workers have told."""

from datetime import timedelta
from pathlib import Path

import pytest
from polling import until
from sqlalchemy import Engine, func, select, update
from tiny_models import tiny_model

from models.queries.queue.worker_registry import end_every_lease, register_worker, set_model_state
from models.queries.reading.model_status import readiness
from models.settings import ModelEntry, Settings
from models.states import ModelState
from models.tables import model, worker
from workers.measuring.model_registry import ModelRegistry
from workers.process import WorkerProcess

pytestmark = pytest.mark.xdist_group("measuring")

MODEL, OTHER = "first", "second"
ALIVE_SECONDS = 40.0


@pytest.fixture
def process(engine: Engine, tmp_path: Path) -> WorkerProcess:
    """A worker of two small models, that has not begun."""
    listed = tmp_path / "models.toml"
    listed.write_text(
        "".join(
            f'[[model]]\nid = "{name}"\npath = "{tiny_model(tmp_path / name, "qwen2", seed=seed)}"\n'
            for seed, name in enumerate((MODEL, OTHER))
        )
    )
    return WorkerProcess(engine, Settings(threads=1, models=listed))


def states(engine: Engine) -> dict[str, str]:
    with engine.connect() as connection:
        return {name: str(state) for name, state in readiness(connection, ALIVE_SECONDS)[1].items()}


def live(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return dict(readiness(connection, ALIVE_SECONDS)[0])


def test_a_model_is_ready_while_a_living_worker_has_it_loaded(
    engine: Engine, process: WorkerProcess, tmp_path: Path
) -> None:
    entries = [ModelEntry(id=name, path=tmp_path / name) for name in (MODEL, OTHER)]
    models = ModelRegistry(engine, entries, 4096, cache=tmp_path / "kept", tell_loaded=process.tell_loaded)
    process.loaded = lambda: models.loaded
    process.start()
    until(lambda: live(engine) == {MODEL: 1, OTHER: 1}, "a registered worker", 20)
    assert (states(engine)[MODEL], states(engine)[OTHER]) == ("registered", "registered")
    models.open(MODEL)
    assert (states(engine)[MODEL], states(engine)[OTHER]) == ("ready", "registered")
    assert len(list((tmp_path / "kept" / "proofs").iterdir())) == 1
    process.end()
    assert live(engine) == {}
    assert (states(engine)[MODEL], states(engine)[OTHER]) == ("registered", "registered")
    with engine.connect() as connection:
        told = connection.execute(select(model.c.state).where(model.c.id == MODEL)).scalar_one()
    assert told == "ready", "what is known of its weights stays"


def test_a_worker_whose_heartbeat_is_old_makes_nothing_ready(engine: Engine) -> None:
    with engine.begin() as connection:
        register_worker(connection, "wk_old", models=["aged"], summaries=True, facts={"host": "h", "loaded": ["aged"]})
        set_model_state(connection, "aged", ModelState.LOADING)
    assert states(engine)["aged"] == "ready"
    with engine.begin() as connection:
        connection.execute(update(worker).values(heartbeat_at=func.now() - timedelta(seconds=ALIVE_SECONDS + 1)))
    assert states(engine)["aged"] == "registered"


def test_a_start_on_a_folder_of_ones_own_forgets_the_workers_of_earlier_lives(engine: Engine) -> None:
    with engine.begin() as connection:
        for name in ("wk_one", "wk_two"):
            register_worker(connection, name, models=[MODEL], summaries=True, facts={"host": "h"})
        end_every_lease(connection)
        assert connection.execute(select(worker.c.id)).all() == []
