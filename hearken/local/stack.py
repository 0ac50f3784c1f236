"""The whole service as one supervised process tree on one data folder: started, supervised, stopped in order.

Its parts are the same commands that a cluster runs one by one (`hearken api`, `worker`, `beat`). Each stands under a
guard, so a kill of this process takes all of them along. What takes its time at the start is loading: so the API and
the workers are started first and load what they need while the servers start, and wait to be told that the database
is ready (`_Part.gate`).
"""

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from hearken.errors import StackFailed, StartRefused
from hearken.local import PostgresServer, RedisServer
from hearken.local.data_folder import FolderLock, lock_facts, make_folder, new_private_folder
from hearken.local.guarded_process import CommandNotStarted, GuardedProcess
from hearken.local.processes import (
    forget_earlier_workers,
    listen,
    refuse_bad_models_file,
    refuse_open_to_the_network,
    run_migrations,
)
from hearken.local.restart_policy import SupervisedChild
from models.settings import settings

log = logging.getLogger(__name__)

START_REFUSED = 2
"""Exit status of a command of ours that cannot start at all; its last line says why."""

_LOCK = "hearken.lock"
_LARGEST_LOG_BYTES = 16 << 20
_DEATHS_BEFORE_READY = 4
_SUPERVISE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class StackPlan:
    """What to run and where. Port 0 takes any free one."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8321
    models: Path | None = None
    workers: int = 1
    auth: str = "open"
    ready_seconds: float = 120.0


@dataclass(slots=True)
class _Part:
    """A command of ours that runs under a guard."""

    name: str
    arguments: tuple[str, ...]
    grace_seconds: float
    process: GuardedProcess | None = None
    gate: int | None = None
    """Where a part that was started before the database is told that it is ready; None for one started after it."""

    def close_gate(self) -> None:
        """Tell no more."""
        if self.gate is not None:
            os.close(self.gate)
            self.gate = None


@dataclass(slots=True)
class Stack:
    """`start`, then `supervise` now and then, then `stop`; or a context manager that does all three.

    `say` is told each step in a few words, with the seconds it took.
    """

    plan: StackPlan
    say: Callable[[str, float], None] = lambda _step, _seconds: None
    url: str = ""
    _lock: FolderLock | None = None
    _listener: socket.socket | None = None
    _postgres: PostgresServer = field(init=False)
    _redis: RedisServer = field(init=False)
    _parts: list[_Part] = field(init=False, default_factory=list)
    _children: list[SupervisedChild] = field(init=False, default_factory=list)
    _supervising: threading.Thread | None = field(init=False, default=None)
    _leaving: threading.Event = field(init=False, default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._postgres = PostgresServer(self.plan.data_dir)
        self._redis = RedisServer(self.plan.data_dir)

    def start(self) -> str:
        """Start every part, wait until the service can take work, and return its URL. A model may be loading still.

        Raises `StartRefused` (a wrong plan: nothing was changed) or `StackFailed`; nothing is left running then.
        """
        try:
            self._claim()
            for server in (self._redis, self._postgres):
                server.reserve()
            self._start_parts(self._api_and_workers(), before_the_database=True)
            self._start_servers()
            self._open_gates()
            self._start_parts([_Part("beat", ("beat",), 3)])
            with self._step("ready"):
                self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self.url

    def supervise(self) -> None:
        """Start again what died, after a pause that doubles with each death in a row.

        Raises `StartRefused` where a part of ours cannot start at all: no model is left to serve, say.
        """
        for child in self._children:
            child.supervise()
            if child.refused:
                _, _, reason = self._last_line(child.name).rpartition("hearken: ")
                raise StartRefused(reason)

    def stop(self) -> None:
        """Stop the parts at once, then their servers. Work under way goes back to the queue. Safe to repeat."""
        for part in self._parts:
            if part.process is not None:
                part.process.ask_to_stop()
            part.close_gate()
        for part in self._parts:
            if part.process is not None:
                part.process.stop()
        self._parts.clear()
        self._children.clear()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._redis.stop()
        self._postgres.stop()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @property
    def database_url(self) -> str:
        """The running database."""
        return self._postgres.url

    def __enter__(self) -> Self:
        self.start()
        self._supervising = threading.Thread(target=self._supervise, name="supervision", daemon=True)
        self._supervising.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leaving.set()
        if self._supervising is not None:
            self._supervising.join()
        self.stop()

    def _supervise(self) -> None:
        try:
            while not self._leaving.wait(_SUPERVISE_SECONDS):
                self.supervise()
        except StartRefused as error:  # what waits for an answer has been told
            log.error("%s", error)

    def _claim(self) -> None:
        """Everything that can refuse a start without having started anything."""
        plan = self.plan
        refuse_open_to_the_network(plan.host, plan.auth)
        refuse_bad_models_file(plan.models or settings().models, here=True)
        make_folder(plan.data_dir)
        self._lock = FolderLock(plan.data_dir / _LOCK)
        self._lock.remember()
        self._listener = listen(plan.host, plan.port)
        host = f"[{plan.host}]" if ":" in plan.host else plan.host
        self.url = f"http://{host}:{self._listener.getsockname()[1]}"
        _set_large_logs_aside(plan.data_dir / "logs")

    def _start_servers(self) -> None:
        """Redis beside PostgreSQL, and then the database's schema."""
        with ThreadPoolExecutor(1, thread_name_prefix="start") as beside:
            redis = beside.submit(self._start_server, "Redis", self._redis)
            beside.submit(import_module, "migrations.run")
            self._start_server("PostgreSQL 18 with pgvector", self._postgres)
            redis.result()
        with self._step("database schema"):
            run_migrations(self._postgres.url)
            forget_earlier_workers(self._postgres.url)
        assert self._lock is not None
        self._lock.remember(url=self.url, database_url=self._postgres.url)

    def _start_server(self, title: str, server: PostgresServer | RedisServer) -> None:
        child = SupervisedChild(server.name, server.start, server.poll)
        with self._step(title):
            child.begin()
        self._children.append(child)

    def _api_and_workers(self) -> list[_Part]:
        assert self._listener is not None
        worker_grace = _worker_shutdown_seconds() + 1
        names = [f"worker-{number}" for number in range(1, self.plan.workers + 1)]
        return [
            *(_Part(name, ("worker", "--name", name), worker_grace) for name in names),
            _Part("api", ("api", "--listening", str(self._listener.fileno())), 5),
        ]

    def _start_parts(self, parts: Sequence[_Part], *, before_the_database: bool = False) -> None:
        for part in parts:
            self._parts.append(part)
            start = partial(self._start_part, part)
            child = SupervisedChild(part.name, start, partial(_status, part), START_REFUSED)
            go, part.gate = os.pipe() if before_the_database else (None, None)
            try:
                child.start = partial(start, go)
                child.begin()
            except CommandNotStarted as error:
                raise StackFailed(f"{part.name}: {error}") from None
            finally:
                child.start = start  # whenever it is started again, the database has been made
                if go is not None:
                    os.close(go)
            self._children.append(child)

    def _open_gates(self) -> None:
        """Tell the parts that were started before the database that they may use it."""
        for part in self._parts:
            if part.gate is not None:
                with suppress(BrokenPipeError):  # it has died; it will be started again
                    os.write(part.gate, b"1")
                part.close_gate()

    def _start_part(self, part: _Part, go: int | None = None) -> None:
        assert self._listener is not None
        assert self._lock is not None
        if part.process is not None:
            part.process.stop()
        scratch = new_private_folder(None)  # its temporary files, gone with it however it ends
        part.process = GuardedProcess.start(
            part.name,
            # -P: import no modules from the current folder
            [sys.executable, "-P", "-m", "hearken", *part.arguments, *(() if go is None else ("--after", str(go)))],
            log=self.plan.data_dir / "logs" / f"{part.name}.log",
            stop_signal=signal.SIGTERM,
            grace_seconds=part.grace_seconds,
            environment=self._environment() | {"TMPDIR": str(scratch)},
            cwd=self.plan.data_dir,
            remove=(scratch,),
            inherit=(self._lock.descriptor,),
            hand_over=[
                *([self._listener.fileno()] if part.name == "api" else []),
                *([] if go is None else [go]),
            ],
        )

    def _environment(self) -> dict[str, str]:
        assert self._listener is not None
        ours = {
            "HEARKEN_DATABASE_URL": self._postgres.url,
            "HEARKEN_BROKER_URL": self._redis.url,
            "HEARKEN_DATA_DIR": str(self.plan.data_dir.absolute()),
            "HEARKEN_AUTH": self.plan.auth,
            "HEARKEN_HOST": self.plan.host,
            "HEARKEN_PORT": str(self._listener.getsockname()[1]),
            "HEARKEN_SHUTDOWN_SECONDS": str(_worker_shutdown_seconds()),
            "PYTHONUNBUFFERED": "1",
        }
        if self.plan.models is not None:
            ours["HEARKEN_MODELS"] = str(self.plan.models.absolute())
        return dict(os.environ) | ours

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.plan.ready_seconds
        answer = "it did not answer"
        with httpx.Client(base_url=_reachable(self.url), timeout=2.0, trust_env=False) as client:
            while time.monotonic() < deadline:
                self.supervise()
                dying = next((child for child in self._children if child.deaths >= _DEATHS_BEFORE_READY), None)
                if dying is not None:
                    raise StackFailed(f"{dying.name} keeps ending: {self._last_line(dying.name)}")
                try:
                    response = client.get("/readyz")
                except httpx.HTTPError as error:
                    answer = str(error)
                else:
                    if response.status_code == httpx.codes.OK or _takes_work(response):
                        return
                    answer = response.text
                time.sleep(0.1)
        raise StackFailed(f"not ready after {self.plan.ready_seconds:.0f} s: {answer}; see {self.plan.data_dir}/logs")

    def _last_line(self, name: str) -> str:
        path = self.plan.data_dir / "logs" / f"{name}.log"
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"{lines[-1] if lines else 'it said nothing'} (see {path})"

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.say(name, time.monotonic() - began)


def _status(part: _Part) -> int | None:
    return None if part.process is None else part.process.poll()


def _takes_work(answer: httpx.Response) -> bool:
    """Whether a service that is not ready lacks nothing but its default model, which its worker is loading."""
    try:
        checks = answer.json()["checks"]
        return checks["database"] == "ok" and checks["broker"] == "ok" and all(checks["workers"].values())
    except (ValueError, KeyError, TypeError):
        return False


def running_on(data_dir: Path) -> tuple[str, str] | None:
    """URL and database of the stack that runs on `data_dir` now, or None."""
    facts = lock_facts(data_dir / _LOCK)
    if facts is None or "url" not in facts:
        return None
    return facts["url"], facts["database_url"]


def _worker_shutdown_seconds() -> float:
    """How long a worker's pass may go on: the whole tree has to end within ten seconds."""
    return min(settings().shutdown_seconds, 5.0)


def _reachable(url: str) -> str:
    return url.replace("://0.0.0.0:", "://127.0.0.1:").replace("://[::]:", "://[::1]:")


def _set_large_logs_aside(folder: Path) -> None:
    """One older generation of each log is kept, as NAME.log.old."""
    for path in folder.glob("*.log"):
        if path.stat().st_size > _LARGEST_LOG_BYTES:
            path.replace(path.with_suffix(".log.old"))


__all__ = ["Stack", "StackPlan", "running_on"]
