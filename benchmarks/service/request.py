"""Where the time of one request goes: `python -m benchmarks.service.request [--rounds 60] [--out FILE]`.

A conversation of 11 turns and 189 tokens is sent to a stack of its own and waited for, in turn with the bare forward
pass over as many tokens. Then one request is traced: PostgreSQL logs every statement, and Redis every command.
"""

import argparse
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psycopg
from redis import Redis

from benchmarks.machine import machine
from benchmarks.service.conversations import conversation
from benchmarks.service.engine import Engine
from benchmarks.service.family import PARTS, processor_seconds, spent_between
from benchmarks.service.stack import running_stack
from hearken.local.stack import Stack

RESULT = Path(__file__).parents[1] / "results" / "request.md"
BETWEEN_SECONDS = 0.05
WARM_UP = 10
IDLE_SECONDS = 5.0


@dataclass(slots=True)
class Request:
    """One request as its client saw it: when it was sent and answered (Unix time), and the answer."""

    sent: float
    answered: float
    answer: dict[str, Any]

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.answered - self.sent


def ask(client: httpx.Client, number: int) -> Request:
    """Send one conversation and wait for its analysis."""
    body = {"conversation": conversation(500_000 + number)}
    sent = time.time()
    answer = client.post("/v1/analyses", json=body, headers={"Prefer": "wait=60"})
    answered = time.time()
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert not found["cached"]
    return Request(sent, answered, found)


def per_second(seconds: float) -> dict[str, float]:
    """What each part uses of the processors in a second while nothing is asked of it."""
    before = processor_seconds()
    time.sleep(seconds)
    return {part: used / seconds for part, used in spent_between(before, processor_seconds()).items()}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a server did for the request: milliseconds after it was sent, who asked, and what."""

    at: float
    who: str
    what: str


@contextmanager
def statements(database: psycopg.Connection[Any], log: Path, found: list[tuple[float, str, str]]) -> Iterator[None]:
    """Every statement that PostgreSQL ends meanwhile, as (Unix time, application, statement)."""
    begins = log.stat().st_size
    for setting in ("log_min_duration_statement = 0", "log_parameter_max_length = 0"):
        database.execute(f"ALTER SYSTEM SET {setting}")
    database.execute("SELECT pg_reload_conf()")
    time.sleep(0.5)
    try:
        yield
    finally:
        names = dict(database.execute("SELECT pid, application_name FROM pg_stat_activity").fetchall())
        database.execute("ALTER SYSTEM RESET ALL")
        database.execute("SELECT pg_reload_conf()")
    entry = re.compile(r"(\S+ \S+) UTC \[(\d+)\] LOG:  duration: ([\d.]+) ms(?:  (?:statement|execute [^:]*): (.*))?")
    for line in log.read_bytes()[begins:].decode(errors="replace").splitlines():
        if (ended := entry.fullmatch(line)) and ended[4]:
            at = datetime.strptime(ended[1], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC).timestamp()
            found.append((at, names.get(int(ended[2]), "?"), ended[4]))


@contextmanager
def commands(address: str, found: list[tuple[float, str, str]]) -> Iterator[None]:
    """Every command that Redis carries out meanwhile, as (Unix time, what asked, command)."""
    client = Redis.from_url(address)
    begun = threading.Event()

    def listen() -> None:
        with client.monitor() as monitor:  # type: ignore[no-untyped-call]
            begun.set()
            for command in monitor.listen():
                if "hearken traced" in command["command"]:
                    return
                found.append((command["time"], "redis", command["command"][:60]))

    listening = threading.Thread(target=listen)
    listening.start()
    begun.wait()
    try:
        yield
    finally:
        with Redis.from_url(address) as other:
            other.echo("hearken traced")
        listening.join()
        client.close()


def trace(client: httpx.Client, running: Stack, number: int) -> tuple[Request, list[Event]]:
    """One request and everything that the servers did until it was answered, in order."""
    happened: list[tuple[float, str, str]] = []
    address = running._redis.client_url
    with (
        psycopg.connect(running.database_url.replace("+psycopg", ""), autocommit=True) as database,
        statements(database, running.plan.data_dir / "logs" / "postgres.log", happened),
        commands(address, happened),
    ):
        request = ask(client, number)
        time.sleep(0.3)
    events = [
        Event((at - request.sent) * 1000, who, " ".join(what.split()))
        for at, who, what in sorted(happened)
        if request.sent - 0.001 <= at <= request.answered + 0.25 and "pg_reload_conf" not in what
    ]
    return request, events


def stages(database: psycopg.Connection[Any], request: Request) -> dict[str, float]:
    """Milliseconds of each stage of a request, from its client's clock, the rows' times and the analysis' `timing`."""
    row = database.execute(
        "SELECT extract(epoch FROM work_item.queued_at), extract(epoch FROM work_item.started_at), "
        "extract(epoch FROM work_item.finished_at) FROM analysis JOIN work_item ON work_item.id = work_item_id "
        "WHERE analysis.id = %s",
        [request.answer["id"]],
    ).fetchone()
    assert row is not None
    queued, started, storing = map(float, row)
    timing = request.answer["timing"]
    return {
        "accepted: received, checked, written": 1000 * (queued - request.sent),
        "waking: committed, sent through the broker, claimed": 1000 * (started - queued),
        "rendering": timing["tokenize_ms"],
        "measuring: the pass with its statistics": timing["forward_ms"],
        "around both: what the worker asks and decides": 1000 * (storing - started)
        - timing["tokenize_ms"]
        - timing["forward_ms"],
        "storing, to just before the commit": timing["store_ms"],
        "answering: committed, told, read, written, sent": 1000 * (request.answered - storing) - timing["store_ms"],
    }


def main() -> None:
    """Measure, print, and write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service.request", description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--out", type=Path, default=RESULT)
    chosen = parser.parse_args()
    facts = machine()
    engine = Engine()
    with running_stack() as running, httpx.Client(base_url=running.url, timeout=90, trust_env=False) as client:
        for number in range(1, WARM_UP):
            ask(client, number)
        requests, forwards = [], []
        idle = per_second(IDLE_SECONDS)
        begun_all, before = time.perf_counter(), processor_seconds()
        for number in range(WARM_UP, WARM_UP + chosen.rounds):
            forwards.append(engine.forward_ms(1))
            time.sleep(BETWEEN_SECONDS)
            requests.append(ask(client, number))
            time.sleep(BETWEEN_SECONDS)
        lasted = time.perf_counter() - begun_all
        spent = spent_between(before, processor_seconds())
        used = {part: seconds - idle.get(part, 0.0) * lasted for part, seconds in spent.items()}
        with psycopg.connect(running.database_url.replace("+psycopg", "")) as database:
            found = [stages(database, request) for request in requests]
        traced, events = trace(client, running, WARM_UP + chosen.rounds)
    text = report(facts, requests, forwards, used, found, traced, events)
    print(text)
    chosen.out.write_text(text, encoding="utf-8")


def report(
    facts: dict[str, Any],
    requests: list[Request],
    forwards: list[float],
    used: dict[str, float],
    found: list[dict[str, float]],
    traced: Request,
    events: list[Event],
) -> str:
    """The tables in Markdown."""
    whole, bare = sorted(1000 * each.seconds for each in requests), sorted(forwards)
    target = 1.3 * median(bare) + 10
    met = "met" if median(whole) <= target else "missed"
    lines = [
        "# One request",
        "",
        f"{facts['when']}, {facts['processor']}, {facts['cores']} cores, load before {facts['load_before']}; "
        f"{len(requests)} requests, each in turn with a bare forward pass.",
        "",
        "| | p50 ms | p10 | p90 |",
        "|---|---|---|---|",
        f"| bare forward pass | {median(bare):.1f} | {_at(bare, 0.1):.1f} | {_at(bare, 0.9):.1f} |",
        f"| request | {median(whole):.1f} | {_at(whole, 0.1):.1f} | {_at(whole, 0.9):.1f} |",
        "",
        f"Wanted at p50: at most {target:.1f} ms, 1.3 times the forward pass and 10 ms: {met}.",
        "",
        "| stage | p50 ms |",
        "|---|---|",
        *(f"| {name} | {median(each[name] for each in found):.1f} |" for name in found[0]),
        "",
        "| part | processor ms a request, beyond what it uses while idle |",
        "|---|---|",
        *(f"| {name} | {1000 * used.get(name, 0.0) / len(requests):.1f} |" for name in PARTS),
        "",
        f"## The trace of one request, answered after {1000 * traced.seconds:.1f} ms",
        "",
        "Every statement, at its end, and every command to the broker. Logging them takes time of its own.",
        "",
        "| ms | who | what |",
        "|---|---|---|",
        *(f"| {each.at:.1f} | {each.who} | `{_brief(each.what)}` |" for each in events),
        "",
    ]
    return "\n".join(lines)


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _brief(what: str) -> str:
    """The beginning of a statement or command, fit for a cell."""
    return what.replace("|", "\\|").replace("`", "'")[:100]


if __name__ == "__main__":
    main()
