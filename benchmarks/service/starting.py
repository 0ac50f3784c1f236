"""How long a start takes: `python -m benchmarks.service.starting [--rounds 5] [--cores 2] [--out FOLDER]`.

`hearken serve` on a folder that it was started on before, with the packaged decoder as default and with MiniLM alone,
its model's proof kept or taken away before, by turns. Recorded are the seconds from the start of the command until
the API answers at all (`/healthz`) and until `/readyz` is 200, when the default model answers at once, and the
processor's time of everything that was started, its end included, which other work on the machine changes less.
"""

import argparse
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx

from benchmarks.machine import machine
from hearken.local import temporary_folder

RESULTS = Path(__file__).parents[1] / "results"
MINILM_ALONE = '[[model]]\nid = "all-MiniLM-L6-v2"\npackaged = "all-MiniLM-L6-v2"\n'
ANSWERS_SECONDS = 3.0
DECODER, ENCODER = "SmolLM2 as default", "MiniLM alone"
READY_SECONDS = {DECODER: 10.0, ENCODER: 6.0}
FIRST_SECONDS = 1_800.0
"""How long the first start on a new folder may take, in which models are dequantized and measured."""
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Start:
    """One start, in seconds: until the API answers, until the service is ready, on the processor."""

    answers: float
    ready: float
    processor: float


@dataclass(frozen=True, slots=True)
class Case:
    """A data folder that was started on before, and the models that are served from it."""

    title: str
    folder: Path
    models: Path | None

    def start(self, patience: float = 300.0) -> Start:
        """Start the service, wait until it is ready, and end it."""
        before = _processor_seconds()
        with self._serving() as (url, begun):
            answers = _seconds_until_ok(f"{url}/healthz", begun, patience)
            ready = _seconds_until_ok(f"{url}/readyz", begun, patience)
        return Start(answers, ready, _processor_seconds() - before)

    def forget_the_proofs(self) -> None:
        """As after an update: every model has to be proven again."""
        shutil.rmtree(self.folder / "models" / "proofs", ignore_errors=True)

    @contextmanager
    def _serving(self) -> Iterator[tuple[str, float]]:
        port = _free_port()
        command = [sys.executable, "-P", "-m", "hearken", "serve", "--data-dir", str(self.folder), "--port", str(port)]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HEARKEN_")}
        kept.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
        chosen = {} if self.models is None else {"HEARKEN_MODELS": str(self.models)}
        log = self.folder.with_suffix(".log")
        begun = time.monotonic()
        with log.open("ab") as said:
            process = subprocess.Popen(command, env=kept | chosen, stdout=said, stderr=said)
        try:
            yield f"http://127.0.0.1:{port}", begun
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def _seconds_until_ok(url: str, begun: float, patience: float) -> float:
    with httpx.Client(timeout=60.0, trust_env=False) as client:
        while time.monotonic() - begun < patience:
            try:
                answer = client.get(url)
            except httpx.TransportError:
                pass  # nothing listens yet
            else:
                if answer.status_code == httpx.codes.OK:
                    return time.monotonic() - begun
            time.sleep(POLL_SECONDS)
    raise TimeoutError(f"{url} was not 200 within {patience:.0f} s")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _processor_seconds() -> float:
    """Of all processes that this one has started and that have ended, and of those that they started."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def measured(case: Case, rounds: int) -> dict[str, list[Start]]:
    """Starts with a kept proof and without one, by turns, after one that makes everything."""
    case.start(FIRST_SECONDS)
    found: dict[str, list[Start]] = {"kept": [], "made anew": []}
    for _ in range(rounds):
        found["kept"].append(case.start())
        case.forget_the_proofs()
        found["made anew"].append(case.start())
    return found


def row(title: str, proof: str, starts: list[Start]) -> str:
    """One line of the table."""
    answers, ready = [one.answers for one in starts], [one.ready for one in starts]
    met = [
        f"{'met' if median(values) <= bound else 'missed'} ({bound:.0f} s)"
        for values, bound in ((answers, ANSWERS_SECONDS), (ready, READY_SECONDS[title]))
    ]
    on_processor = median(one.processor for one in starts)
    return (
        f"| {title} | {proof} | {len(starts)} | {_spread(answers)} | {met[0]} | {_spread(ready)} | {met[1]} | "
        f"{on_processor:.1f} |"
    )


def _spread(values: list[float]) -> str:
    return f"{median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def main() -> None:
    """Start each case again and again and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", type=int, default=2, help="processors that everything may use")
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[: chosen.cores]
    os.sched_setaffinity(0, cores)
    about = machine()
    versions = ", ".join(f"{name} {about['versions'][name]}" for name in ("torch", "transformers"))
    lines = [
        "# Starting",
        "",
        f"{about['when']}, {about['processor']}, {len(cores)} of {about['cores']} cores; "
        f"load before the run {about['load_before']:.1f}; Python {about['python']}, {versions}.",
        "",
        "`hearken serve` on a folder that it was started on before. Seconds as median (least to most).",
        "",
        "| models | proof | starts | API answers after | promised | ready after | promised | on the processor |",
        "|---|---|---|---|---|---|---|---|",
    ]
    with temporary_folder() as place:
        listed = place / "minilm.toml"
        listed.write_text(MINILM_ALONE, encoding="utf-8")
        for case in (Case(ENCODER, place / "encoder", listed), Case(DECODER, place / "decoder", None)):
            for proof, starts in measured(case, chosen.rounds).items():
                lines.append(row(case.title, proof, starts))
                print(lines[-1], flush=True)
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "starting.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
