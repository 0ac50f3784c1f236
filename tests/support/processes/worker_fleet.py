"""Real workers and a real beat, as processes, with a broker of their own: what the attacks are aimed at."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import redis
from polling import until
from project_tree import ROOT
from seeded_work import MODEL, job_row
from sqlalchemy import Engine, create_engine, select

from hearken.local import RedisServer, temporary_folder
from models.tables import worker

SETTINGS = {
    "HEARKEN_LEASE_SECONDS": "3",
    "HEARKEN_HEARTBEAT_SECONDS": "0.5",
    "HEARKEN_SWEEP_SECONDS": "0.5",
    "HEARKEN_LOSSES_ALONE": "2",
    "HEARKEN_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}


class Fleet:
    """Workers that serve the packaged model, and a beat; `engine` is their database."""

    def __init__(self, folder: Path, database_url: str, redis_server: RedisServer) -> None:
        self.folder = folder
        self.engine: Engine = create_engine(database_url)
        self.redis_server = redis_server
        self.broker = redis.Redis.from_url(redis_server.client_url)
        self.environment = {
            **os.environ,
            **SETTINGS,
            "HEARKEN_DATABASE_URL": database_url,
            "HEARKEN_BROKER_URL": redis_server.url,
            "PYTHONPATH": str(ROOT),
        }
        self.models: Sequence[str] = (MODEL,)
        self.parts: dict[str, subprocess.Popen[bytes]] = {}

    def start_worker(self, name: str) -> None:
        """Start a worker process with its pool child."""
        queues = ",".join([*(f"model:{model}" for model in self.models), "summaries"])
        self._start(name, ["worker", "-Q", queues, "-n", f"{name}@%h", "--without-gossip", "--without-mingle"])

    def start_beat(self) -> None:
        """Start the sweeper's clock."""
        self._start("beat", ["beat", "--pidfile="])

    def _start(self, name: str, arguments: Sequence[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.parts[name] = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "workers.app", *arguments, "-l", "INFO"],
                env=self.environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )

    def stop(self) -> None:
        """Stop everything in good order."""
        for part in self.parts.values():
            part.terminate()
        for part in self.parts.values():
            try:
                part.wait(20)
            except subprocess.TimeoutExpired:
                part.kill()
                part.wait()
        self.parts.clear()
        self.broker.close()
        self.engine.dispose()

    def log(self) -> str:
        """What all workers have logged so far."""
        return "".join(self.logs().values())

    def logs(self) -> dict[str, str]:
        """What each worker has logged so far."""
        return {path.stem: path.read_text() for path in self.folder.glob("worker-*.log")}

    def passes(self, before: dict[str, str]) -> list[dict[str, str]]:
        """What the workers logged of their passes since then: documents, jobs, tenants, tokens."""
        news = [text[len(before.get(name, "")) :] for name, text in self.logs().items()]
        lines = [line.partition(" pass ")[2] for text in news for line in text.splitlines() if "] pass " in line]
        return [dict(part.split("=") for part in line.split()) for line in lines]

    def alive(self) -> dict[str, int]:
        """The processes that take work: worker id to process id."""
        with self.engine.connect() as connection:
            rows = connection.execute(select(worker.c.id, worker.c.facts)).all()
        return {row.id: row.facts["pid"] for row in rows if psutil.pid_exists(row.facts["pid"])}

    def finished(self, job_ids: Sequence[str], seconds: float = 180.0) -> list[Any]:
        """Wait for the jobs to end, and return their rows."""
        until(
            lambda: all(job_row(self.engine, job_id).finished_at for job_id in job_ids),
            f"the end of {len(job_ids)} jobs",
            seconds,
        )
        return [job_row(self.engine, job_id) for job_id in job_ids]


@contextmanager
def fleet(workers: int, database_url: str, models: Sequence[str] = (MODEL,), **environment: str) -> Iterator[Fleet]:
    """Workers of these models, a beat and a Redis of their own, with these variables besides; gone afterwards."""
    with temporary_folder() as folder, RedisServer(folder) as redis_server:
        started = Fleet(folder, database_url, redis_server)
        started.environment |= environment
        started.models = models
        try:
            started.start_beat()
            for number in range(1, workers + 1):
                started.start_worker(f"worker-{number}")
            until(lambda: len(started.alive()) == workers, f"{workers} registered workers", 180)
            yield started
        finally:
            started.stop()
