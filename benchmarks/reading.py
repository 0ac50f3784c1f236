"""How data sets are read: `python -m benchmarks.reading [--megabytes 1000] [--out FOLDER]`.

A file of each kind is planted, conversations of 4 to 30 turns and one as long as the service takes, and read from end
to end in a process of its own, which checks every document. Recorded are the time on the clock, the processor's time in
that process and those that it starts, megabytes for each second of it, and the peak memory of both.
"""

import argparse
import csv
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from formats.datasets.read import LIMITS, read_dataset

RESULTS = Path(__file__).parent / "results"
PROMISED_MB = 300
SPEAKERS = ("Mira", "Tomás", "Ify", "Bo")
INTERLEAVED = 50
"""So many conversations of an utterance table stand row by row among each other."""

Talk = Sequence[tuple[str, str]]


def talks(characters: int) -> Iterator[Talk]:
    """Conversations of so many characters in all, the first as long as the service takes."""
    chance = random.Random(0)
    letters = "abcdefghijklmnopqrstuvwxyzé"
    words = ["".join(chance.choices(letters, k=chance.randint(2, 9))) for _ in range(2_000)]
    texts = [" ".join(chance.choices(words, k=chance.randint(4, 40))) + ", yes." for _ in range(5_000)]
    long = [(SPEAKERS[turn % 2], texts[turn % 5_000]) for turn in range(LIMITS.turns)]
    yield long
    written = sum(len(text) for _, text in long)
    while written < characters:
        talk = [(SPEAKERS[turn % 4], chance.choice(texts)) for turn in range(chance.randint(4, 30))]
        written += sum(len(text) for _, text in talk)
        yield talk


def as_turns(talk: Talk) -> list[dict[str, str]]:
    return [{"speaker": speaker, "text": text} for speaker, text in talk]


def write_lines(path: Path, given: Iterator[Talk]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for number, talk in enumerate(given):
            file.write(json.dumps({"id": f"c{number}", "turns": as_turns(talk)}, ensure_ascii=False) + "\n")


def write_array(path: Path, given: Iterator[Talk]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for number, talk in enumerate(given):
            file.write(",\n" if number else "[\n")
            file.write(json.dumps({"id": f"c{number}", "turns": as_turns(talk)}, ensure_ascii=False, indent=1))
        file.write("]\n")


def write_csv(path: Path, given: Iterator[Talk]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "turns", "labels.part"])
        for number, talk in enumerate(given):
            table.writerow([f"c{number}", json.dumps(as_turns(talk), ensure_ascii=False), "x"])


def write_utterances(path: Path, given: Iterator[Talk]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["conversation_id", "speaker", "text"])
        number = 0
        while together := [talk for _, talk in zip(range(INTERLEAVED), given, strict=False)]:
            for turn in range(max(map(len, together))):
                for place, talk in enumerate(together):
                    if turn < len(talk):
                        table.writerow([f"c{number + place}", *talk[turn]])
            number += len(together)


def write_parquet(path: Path, given: Iterator[Talk]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    turns = pa.list_(pa.struct([("speaker", pa.string()), ("text", pa.string())]))
    schema = pa.schema([("id", pa.string()), ("turns", turns)])
    with parquet.ParquetWriter(path, schema, compression="none") as writer:
        number = 0
        while together := [talk for _, talk in zip(range(1_000), given, strict=False)]:
            names = [f"c{number + place}" for place in range(len(together))]
            writer.write_table(pa.table({"id": names, "turns": [as_turns(talk) for talk in together]}, schema))
            number += len(together)


KINDS: dict[str, tuple[str, Callable[[Path, Iterator[Talk]], None]]] = {
    "JSON Lines": ("talks.jsonl", write_lines),
    "a JSON array, indented": ("talks.json", write_array),
    "CSV, a document a row": ("talks.csv", write_csv),
    "CSV, an utterance a row": ("utterances.csv", write_utterances),
    "Parquet": ("talks.parquet", write_parquet),
}


def measured(path: Path) -> dict[str, Any]:
    """Read a file in a process of its own, and what that took."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.reading", "--read", str(path)], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def read(path: Path) -> None:
    """Read a file and write what that took."""
    begun, worked = time.perf_counter(), processor_seconds()
    opened = read_dataset(path)
    documents = sum(1 for _ in opened)
    seconds = time.perf_counter() - begun
    others = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    processor = processor_seconds() - worked
    found = {"documents": documents, "seconds": seconds, "processor": processor, "peak": own_peak(), "others": others}
    print(json.dumps(found))


def processor_seconds() -> float:
    """The processor's time in this process and in those that it started and that have ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def own_peak() -> float:
    """The peak memory of this process in MB, without that of the process that started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def row(kind: str, path: Path) -> str:
    """One line of the table."""
    megabytes = path.stat().st_size / 1e6
    found = measured(path)
    return (
        f"| {kind} | {megabytes:,.0f} | {found['documents']:,} | {found['seconds']:.0f} | {found['processor']:.0f} | "
        f"{megabytes / found['processor']:.1f} | {found['peak']:.0f} | {found['others']:.0f} |"
    )


def main() -> None:
    """Plant and read a file of each kind and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1_000)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--read", type=Path, help="read this file, as each line of the table does")
    chosen = parser.parse_args()
    if chosen.read is not None:
        read(chosen.read)
        return
    load, about = os.getloadavg()[0], machine()
    lines = [
        "# Reading data sets",
        "",
        f"{about['processor']}, {about['cores']} cores; load before the run {load:.1f}; Python {about['python']}. "
        f"Promised: memory bounded by the largest conversation plus {PROMISED_MB} MB.",
        "",
        "| file | MB | documents | seconds | on the processor | MB a second of it | peak MB | of what unpacks |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind, (name, write) in KINDS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            write(path, talks(chosen.megabytes * 10**6))
            lines.append(row(kind, path))
        print(lines[-1], flush=True)
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "reading.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
