"""Services that stay up until the pytest process ends, one of each kind, and are emptied for whoever uses them next."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import httpx
from api_service import client_of, started_api
from polling import until
from serving import MINILM_ALONE
from sqlalchemy import Engine, create_engine, delete, select
from worker_fleet import Fleet, fleet

from hearken.local import RedisServer
from models.settings import load_models_file
from models.states import ModelState
from models.tables import LOCAL_TENANT, metadata, model, model_version, profile_scale, tenant, vector_index, worker

KNOWN_TO_WORKERS = {table.name for table in (worker, model, model_version, profile_scale, vector_index)}
"""What a running worker has written of itself and its models, and does not write again."""


@dataclass(frozen=True)
class ServicePlan:
    """What a module wants in front of it: the API's settings (names in small letters) and how many workers behind it.

    `models` writes a models file, and whatever it names, into a folder; without it there is MiniLM alone.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    workers: int = 0
    models: Callable[[Path], Path] | None = None

    @property
    def kind(self) -> tuple[object, ...]:
        """Plans of one kind are served by the same processes."""
        return (*sorted(self.settings.items()), self.workers, self.models)


WITH_KEYS = ServicePlan({"auth": "keys", "inquiry_seconds": "0.2", "sign_in_hours": "2"})
"""An API that asks for keys, and does not wait long for a worker, since there is none."""


class KeptService:
    """A database, and on it, once somebody asks for them, workers and an API by a plan."""

    def __init__(self, plan: ServicePlan, folder: Path, database_url: str, redis_server: RedisServer) -> None:
        self.plan = plan
        self.folder = folder
        self.database_url = database_url
        self.redis_server = redis_server
        self.models_file = plan.models(folder) if plan.models else MINILM_ALONE
        self.engine: Engine = create_engine(database_url)
        self.log = folder / "api.log"
        self._running = ExitStack()
        self._clients = ExitStack()
        self._log_begins = 0

    @cached_property
    def fleet(self) -> Fleet:
        """The workers and the beat that the plan asks for, with the default model open."""
        ids = [entry.id for entry in load_models_file(self.models_file)]
        named = {"HEARKEN_MODELS": str(self.models_file)}
        started = self._running.enter_context(fleet(self.plan.workers, self.database_url, ids, **named))
        if self.plan.workers:
            until(lambda: self._is_opened(ids[0]), "the default model to be opened or refused", 180)
        return started

    def _is_opened(self, model_id: str) -> bool:
        chosen = select(model.c.state).where(model.c.id == model_id)
        with self.engine.connect() as connection:
            return connection.execute(chosen).scalar() not in (None, ModelState.REGISTERED, ModelState.LOADING)

    @cached_property
    def url(self) -> str:
        """Where the API serves."""
        broker = self.fleet.redis_server if self.plan.workers else self.redis_server
        settings = {**self.plan.settings, "models": str(self.models_file)}
        return self._running.enter_context(started_api(self.database_url, broker.url, self.log, **settings))

    @cached_property
    def api(self) -> httpx.Client:
        """A client of the API."""
        return self._clients.enter_context(client_of(self.url))

    def said(self) -> str:
        """What the API has logged since the service was emptied."""
        return self.log.read_text()[self._log_begins :] if self.log.exists() else ""

    def empty(self) -> None:
        """Delete everything that clients have brought; what the workers know of their models stays."""
        self._log_begins += len(self.said())
        kept = KNOWN_TO_WORKERS if self.plan.workers else set()
        with self.engine.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                if table is tenant:
                    connection.execute(delete(tenant).where(tenant.c.id != LOCAL_TENANT))
                elif table.name not in kept:
                    connection.execute(delete(table))

    def forget_client(self) -> None:
        """End the client; who asks for `api` next has one without headers and cookies."""
        self._clients.close()
        self.__dict__.pop("api", None)

    def stop(self) -> None:
        """End its processes."""
        self.forget_client()
        self._running.close()
        self.engine.dispose()


class KeptServices:
    """One service of each kind, each on a database of `new_database`."""

    def __init__(
        self, folder: Path, new_database: Callable[[], AbstractContextManager[str]], redis_server: RedisServer
    ) -> None:
        self._folder = folder
        self._new_database = new_database
        self._redis_server = redis_server
        self._kept: dict[tuple[object, ...], KeptService] = {}
        self._running = ExitStack()

    def emptied(self, plan: ServicePlan) -> KeptService:
        """The service by this plan, without anything that those before have left."""
        if plan.kind not in self._kept:
            folder = self._folder / str(len(self._kept))
            folder.mkdir(parents=True)
            database_url = self._running.enter_context(self._new_database())
            self._kept[plan.kind] = KeptService(plan, folder, database_url, self._redis_server)
            self._running.callback(self._kept[plan.kind].stop)
        service = self._kept[plan.kind]
        service.forget_client()
        service.empty()
        return service

    def stop(self) -> None:
        """End all of them."""
        self._running.close()
