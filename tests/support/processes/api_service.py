"""The API as a process of its own, on the test's own servers, and a client that talks to it."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
from polling import until
from project_tree import ROOT
from serving import MINILM_ALONE

from models.queries.access.keys import NewKey


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def client_of(url: str) -> httpx.Client:
    """A client of the API at this address, patient enough for a busy machine."""
    return httpx.Client(base_url=url, timeout=90)


@contextmanager
def api_process(database_url: str, broker_url: str, log: Path, **settings: str) -> Iterator[httpx.Client]:
    """A client of a `started_api`."""
    with started_api(database_url, broker_url, log, **settings) as url, client_of(url) as client:
        yield client


@contextmanager
def started_api(database_url: str, broker_url: str, log: Path, **settings: str) -> Iterator[str]:
    """`hearken api` with these settings (names without the prefix, in small letters), stopped afterwards; its URL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HEARKEN_")},
        "HEARKEN_DATABASE_URL": database_url,
        "HEARKEN_BROKER_URL": broker_url,
        "HEARKEN_PORT": str(port),
        "HEARKEN_MODELS": str(MINILM_ALONE),
        "PYTHONPATH": str(ROOT),
        **{f"HEARKEN_{name.upper()}": value for name, value in settings.items()},
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "hearken", "api"], env=environment, cwd=ROOT, stdout=out, stderr=out
        )
    try:
        with client_of(url) as client:
            until(lambda: _is_alive(client, process, log), "an API that is alive")
        yield url
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_alive(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        return client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def process_at(api: httpx.Client) -> psutil.Process:
    """The process that listens where the client talks to."""
    for child in psutil.Process().children(recursive=True):
        if any(
            found.laddr and found.laddr.port == api.base_url.port and found.status == psutil.CONN_LISTEN
            for found in child.net_connections(kind="tcp")
        ):
            return child
    raise AssertionError("nobody listens there")


def problem_of(response: httpx.Response, status: int, name: str) -> dict[str, Any]:
    """The problem document of an answer, checked to have the one form that all of them have."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["type"] == f"/problems/{name}", problem
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"] == response.request.url.path
    for trace in ("Traceback", ".py", "/site-packages", "psycopg", "sqlalchemy"):
        assert trace not in response.text
    return problem


def job_at(client: httpx.Client, accepted: httpx.Response) -> Any:
    """Wait for the job of a 202 to end, and return it."""
    assert accepted.status_code == 202, accepted.text

    def ended() -> Any:
        job = client.get(accepted.headers["location"], headers={"Prefer": "wait=30"}).json()
        return job if job["finished_at"] else None

    return until(ended, f"the end of {accepted.headers['location']}", 180)


def bearer(key: NewKey) -> dict[str, str]:
    """The header by which a request is its tenant's."""
    return {"Authorization": f"Bearer {key.secret}"}


def json_lines(*lines: dict[str, Any]) -> bytes:
    """A data set."""
    return "".join(json.dumps(line) + "\n" for line in lines).encode()
