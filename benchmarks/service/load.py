"""How the service fares under load: `python -m benchmarks.service.load [--seconds 30] [--clients 1 8 64 256]`.

The embedded stack serves the packaged encoder. So many clients POST conversations, each waiting for its answer before
it sends the next; then a batch job does 1,500. The engine by itself is measured before and after each of these on the
same machine, and every rate is stated beside the mean of the two. Clients are connections of one thread that writes
ready bytes and reads lengths; what it costs is in the table.
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np

from benchmarks.machine import described, machine
from benchmarks.service.conversations import TOKENS, TURNS, conversation
from benchmarks.service.engine import Engine
from benchmarks.service.family import PARTS, megabytes, processor_seconds, spent_between
from benchmarks.service.stack import MODEL, running_stack

RESULTS = Path(__file__).parents[1] / "results"
ENGINE_SECONDS = 8.0
WANTED_OF_THE_ENGINE = {64: 0.85}
WANTED_OF_A_BATCH = 0.92
_seeds = count(1_000)


@dataclass(slots=True)
class Answers:
    """What clients were answered: seconds until each answer, statuses, and how many came before the end."""

    until: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    in_time: int = 0


@dataclass(frozen=True, slots=True)
class Measured:
    """One line of the table: rates in documents a second, times in seconds."""

    name: str
    rate: float
    engine: float
    times: tuple[float, float] | None
    errors: int
    unfinished: int
    megabytes: dict[str, float]
    processor: dict[str, float]
    documents: int


def request_of(host: str, seed: int) -> bytes:
    """The bytes of one POST."""
    body = json.dumps({"model": MODEL, "conversation": conversation(seed)}).encode()
    head = (
        f"POST /v1/analyses HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nPrefer: wait=60\r\n\r\n"
    )
    return head.encode() + body


async def client(url: str, end: float, answers: Answers) -> None:
    """One client, which sends until `end` and waits for the answer to what it has sent."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=1 << 20)
    try:
        while time.perf_counter() < end:
            sent = request_of(place.netloc, next(_seeds))
            begun = time.perf_counter()
            writer.write(sent)
            status = await answered(reader)
            now = time.perf_counter()
            answers.statuses[status] += 1
            if status == httpx.codes.CREATED:
                answers.until.append(now - begun)
                answers.in_time += now <= end
    finally:
        writer.close()


async def answered(reader: asyncio.StreamReader) -> int:
    """The status of the next answer, which is read to its end."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:"))
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])


def with_clients(url: str, clients: int, seconds: float) -> tuple[Answers, float]:
    """What so many clients are answered, and the time on the processor that this took here."""
    answers, worked = Answers(), time.process_time()

    async def all_of_them() -> None:
        end = time.perf_counter() + seconds
        await asyncio.gather(*(client(url, end, answers) for _ in range(clients)))

    asyncio.run(all_of_them())
    return answers, time.process_time() - worked


def batch(url: str, documents: int) -> float:
    """Seconds from the POST of a batch job over so many conversations until it has ended."""
    lines = "".join(json.dumps(conversation(next(_seeds))) + "\n" for _ in range(documents))
    with httpx.Client(base_url=url, timeout=120, trust_env=False) as http:
        uploaded = http.post("/v1/datasets", params={"name": "load"}, content=lines.encode()).raise_for_status().json()
        begun = time.perf_counter()
        job = http.post("/v1/batches", json={"dataset_id": uploaded["id"], "model": MODEL})
        location = job.raise_for_status().headers["location"]
        while True:
            found = http.get(location, headers={"Prefer": "wait=60"}).raise_for_status().json()
            if found["finished_at"]:
                break
        seconds = time.perf_counter() - begun
    if found["progress"]["done"] != documents:
        raise RuntimeError(f"the job ended with {found['progress']}")
    return seconds


class Load:
    """Load on one stack, with the engine beside it."""

    def __init__(self, url: str, engine: Engine) -> None:
        self.url = url
        self.engine = engine
        self._last_rate = engine.rate(ENGINE_SECONDS)

    def clients(self, number: int, seconds: float) -> Measured:
        """So many clients for so long."""

        def run() -> tuple[Any, ...]:
            answers, own = with_clients(self.url, number, seconds)
            times = np.quantile(answers.until, [0.5, 0.95]) if answers.until else (np.nan, np.nan)
            wrong = sum(times for status, times in answers.statuses.items() if status not in {201, 202})
            late = answers.statuses[httpx.codes.ACCEPTED]
            return answers.in_time / seconds, tuple(times), wrong, late, {"clients": own}, len(answers.until)

        return self._measured(f"{number} client{'s' if number > 1 else ''}", run)

    def batch(self, documents: int) -> Measured:
        """A batch job of so many documents."""

        def run() -> tuple[Any, ...]:
            return documents / batch(self.url, documents), None, 0, 0, {}, documents

        return self._measured(f"a batch job of {documents:,}", run)

    def _measured(self, name: str, run: Callable[[], tuple[Any, ...]]) -> Measured:
        before = processor_seconds()
        rate, times, errors, unfinished, own, documents = run()
        spent = spent_between(before, processor_seconds()) | own
        memory = megabytes()
        first, self._last_rate = self._last_rate, self.engine.rate(ENGINE_SECONDS)
        return Measured(name, rate, (first + self._last_rate) / 2, times, errors, unfinished, memory, spent, documents)


def line(found: Measured) -> str:
    """One line of the first table."""
    p50, p95 = ("", "") if found.times is None else (f"{1000 * each:,.0f}" for each in found.times)
    return (
        f"| {found.name} | {found.rate:.1f} | {found.engine:.1f} | {found.rate / found.engine:.2f} | {p50} | {p95} | "
        f"{found.errors} | {found.unfinished} |"
    )


def costs_line(found: Measured) -> str:
    """One line of the second table: memory, and milliseconds on the processor for each document."""
    memory = " | ".join(f"{found.megabytes.get(part, 0):.0f}" for part in PARTS)
    spent = " | ".join(
        f"{1000 * found.processor.get(part, 0) / max(1, found.documents):.1f}" for part in (*PARTS, "clients")
    )
    return f"| {found.name} | {memory} | {spent} |"


def main() -> None:
    """Put load on a stack of its own and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 8, 64, 256])
    parser.add_argument("--batch", type=int, default=1_500)
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    about = machine()
    engine = Engine()
    found: list[Measured] = []
    with running_stack() as stack:
        with_clients(stack.url, 4, 3.0)
        load = Load(stack.url, engine)
        bare = [engine.forward_ms()]
        for number in chosen.clients:
            found.append(load.clients(number, chosen.seconds))
            print(line(found[-1]), costs_line(found[-1]), sep="\n", flush=True)
            if number == 1:
                bare.append(engine.forward_ms())
        if chosen.batch:
            found.append(load.batch(chosen.batch))
            print(line(found[-1]), costs_line(found[-1]), sep="\n", flush=True)
    chosen.out.mkdir(parents=True, exist_ok=True)
    text = page(about, found, sum(bare) / len(bare), chosen.seconds)
    (chosen.out / "load.md").write_text(text)
    print(text)


def page(about: dict[str, Any], found: list[Measured], bare: float, seconds: float) -> str:
    """The whole table, with the targets that are known."""
    lines = [
        "# Load",
        "",
        f"{described(about)}. Conversations of {TOKENS} "
        f"tokens in {TURNS} turns under the packaged encoder, every one of other words; the whole stack, the clients "
        f"and the engine beside it on this one machine. Clients send for {seconds:.0f} s.",
        "",
        "| load | documents a second | the engine alone | of it | p50 ms | p95 ms | errors | not done in 60 s |",
        "|---|---|---|---|---|---|---|---|",
        *map(line, found),
        "",
        "Memory in MB after each, and milliseconds on the processors for each document:",
        "",
        f"| load | {' MB | '.join(PARTS)} MB | {' ms | '.join((*PARTS, 'clients'))} ms |",
        "|" + "---|" * (2 * len(PARTS) + 2),
        *map(costs_line, found),
        "",
        *targets(found, bare),
    ]
    return "\n".join(lines) + "\n"


def targets(found: list[Measured], bare: float) -> list[str]:
    """Each target with what was measured."""
    said = []
    for each in found:
        share = each.rate / each.engine
        words = each.name.split()
        wanted = WANTED_OF_A_BATCH if words[0] == "a" else WANTED_OF_THE_ENGINE.get(int(words[0]))
        if wanted is not None:
            said.append(f"- {each.name}: {share:.2f} of the engine; wanted {wanted}: {_met(share >= wanted)}.")
        if each.name == "1 client" and each.times is not None:
            most, p50 = 1.3 * bare + 10, 1000 * each.times[0]
            said.append(
                f"- One client: p50 {p50:.0f} ms where the bare forward takes {bare:.0f} ms; wanted at most 1.3 times "
                f"that and 10 ms, {most:.0f} ms: {_met(p50 <= most)}."
            )
    return said


def _met(is_it: bool) -> str:
    return "met" if is_it else "missed"


if __name__ == "__main__":
    main()
