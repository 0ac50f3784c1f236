"""The life of one worker process: its name, its heartbeat, the leases it holds, and how it ends."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from types import FrameType

import psutil
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from models.identifiers import new_identifier
from models.queries.queue import claims, summary_claims, worker_registry
from models.settings import Settings, load_models_file, settings
from workers.database import engine

log = logging.getLogger(__name__)

LAST_BEAT_SECONDS = 1.0
"""So long the end of a worker waits for a heartbeat that has begun."""
EXIT_DELAY = 2.0
"""Seconds after the work has ended in which Celery may end an asked-to-stop process before it ends itself."""


def processors() -> int:
    """Processors that this process may use; fewer where OMP_NUM_THREADS, as everywhere, says so."""
    allowed, said = len(os.sched_getaffinity(0)), os.environ.get("OMP_NUM_THREADS", "")
    return min(allowed, int(said)) if said.isdecimal() and int(said) else allowed


class WorkerProcess:
    """A process that takes work: registered in `worker`, renewing its leases from a thread of its own."""

    def __init__(self, engine: Engine, chosen: Settings) -> None:
        self.engine = engine
        self.settings = chosen
        self.id = new_identifier("wk")
        self.host = socket.gethostname()
        self.model_ids = [entry.id for entry in load_models_file(chosen.models)]
        self.neighbours = 1
        self.loaded: Callable[[], Sequence[str]] = tuple
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._held_tokens: set[int] = set()
        self._loading = False
        self._lock = threading.Lock()
        self._heartbeat = threading.Thread(target=self._keep_beating, name="heartbeat", daemon=True)

    @property
    def stopping(self) -> bool:
        """Whether SIGTERM has come: the running pass may end, no other begins."""
        return self._stop.is_set()

    @property
    def threads(self) -> int:
        """Processor threads for this worker: the setting, or its share of the machine's."""
        return self.settings.threads or max(1, processors() // self.neighbours)

    def start(self) -> None:
        """Start the heartbeat, which also registers the worker."""
        self._heartbeat.start()

    def end(self) -> None:
        """Stop the heartbeat, which else could register it once more, and remove the worker's row."""
        self._ended.set()
        if self._heartbeat.is_alive():
            self._heartbeat.join(LAST_BEAT_SECONDS)
        with self.engine.begin() as connection:
            worker_registry.remove_worker(connection, self.id)

    def pause(self, seconds: float) -> None:
        """Do nothing for so long, or until the worker is to end."""
        self._stop.wait(seconds)

    def tell_loaded(self) -> None:
        """Say now, and not with the next heartbeat, which models are loaded."""
        try:
            with self.engine.begin() as connection:
                worker_registry.renew_heartbeat(connection, self.id, self.loaded())
        except SQLAlchemyError as error:
            log.warning("what is loaded will be told with the next heartbeat: %s", error)

    def hold(self, token: int) -> None:
        """Renew the leases under this token from now on."""
        with self._lock:
            self._held_tokens.add(token)

    def release(self, token: int) -> None:
        """Renew the leases under this token no longer."""
        with self._lock:
            self._held_tokens.discard(token)

    @contextmanager
    def holding(self, token: int) -> Iterator[None]:
        """Renew the leases under this token for as long as the context lasts."""
        self.hold(token)
        try:
            yield
        finally:
            self.release(token)

    @contextmanager
    def loading(self) -> Iterator[None]:
        """While nothing but loading goes on, SIGTERM ends the process at once, since nothing has to be given back."""
        self._loading = True
        try:
            yield
        finally:
            self._loading = False

    @contextmanager
    def busy(self) -> Iterator["WorkerProcess"]:
        """While there is work, SIGTERM asks it to end instead of ending the process."""
        before = signal.signal(signal.SIGTERM, self._asked_to_stop)
        try:
            yield self
        finally:
            signal.signal(signal.SIGTERM, before)
            if self.stopping:
                _later(EXIT_DELAY, lambda: os.kill(os.getpid(), signal.SIGTERM))

    def _asked_to_stop(self, _signal: int, _frame: FrameType | None) -> None:
        if not self.stopping:
            self._stop.set()
            _later(0.0, self._leave_loading)
            _later(self.settings.shutdown_seconds, self._abandon)

    def _leave_loading(self) -> None:
        """End the process where it is loading and holds nothing."""
        with self._lock:
            if not self._loading or self._held_tokens:
                return
            try:
                with self.engine.begin() as connection:
                    worker_registry.remove_worker(connection, self.id)
            finally:
                os._exit(os.EX_TEMPFAIL)

    def _abandon(self) -> None:
        """The running pass has taken too long to end: queue its work again and end the process."""
        with self._lock:
            tokens = sorted(self._held_tokens)
        if not tokens:
            return
        log.warning(
            "the running pass did not end within %.0f s; its work is queued again", self.settings.shutdown_seconds
        )
        try:
            with self.engine.begin() as connection:
                claims.give_back_everything(connection, tokens)
                summary_claims.give_back_summaries(connection, tokens)
                worker_registry.remove_worker(connection, self.id)
        finally:
            os._exit(os.EX_TEMPFAIL)

    def _keep_beating(self) -> None:
        registered = False
        while not self._ended.is_set():
            try:
                registered = self._beat() if registered else self._register()
            except SQLAlchemyError as error:
                log.warning("no heartbeat, the database cannot be reached: %s", error)
                self._ended.wait(min(1.0, self.settings.heartbeat_seconds))
                continue
            self._ended.wait(self.settings.heartbeat_seconds if registered else 1.0)

    def _register(self) -> bool:
        parent = psutil.Process(os.getppid())
        facts = {
            "host": self.host,
            "pid": os.getpid(),
            "born": psutil.Process().create_time(),
            "parent": f"{parent.pid}/{parent.create_time()}",
        }
        with self.engine.begin() as connection:
            siblings = worker_registry.workers_of_parent(connection, self.host, facts["parent"])
            worker_registry.end_leases(connection, [worker for worker, known in siblings.items() if not _alive(known)])
            worker_registry.register_models(connection, self.model_ids)
            worker_registry.register_worker(connection, self.id, models=self.model_ids, summaries=True, facts=facts)
        return self._beat()

    def _beat(self) -> bool:
        with self._lock:
            tokens = sorted(self._held_tokens)
        with self.engine.begin() as connection:
            known = worker_registry.renew_heartbeat(connection, self.id, self.loaded())
            if tokens:
                claims.renew_leases(connection, tokens, self.settings.lease_seconds)
                summary_claims.renew_summaries(connection, tokens, self.settings.lease_seconds)
            self.neighbours = max(
                1, worker_registry.workers_on_host(connection, self.host, self.settings.worker_alive_seconds)
            )
        return bool(known)


def _alive(facts: dict[str, object]) -> bool:
    """Whether the process that a worker's row speaks of still runs on this machine."""
    try:
        return bool(psutil.Process(int(str(facts["pid"]))).create_time() == facts["born"])
    except psutil.NoSuchProcess:
        return False


def _later(seconds: float, action: object) -> None:
    timer = threading.Timer(seconds, action)  # type: ignore[arg-type]
    timer.daemon = True
    timer.start()


@cache
def this_process() -> WorkerProcess:
    """The one worker of this process."""
    return WorkerProcess(engine(), settings())
