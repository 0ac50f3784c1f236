"""How a large comparison's summary fares: `python -m benchmarks.comparison_scale [--documents 10000] [--out FOLDER]`.

Documents of a 32-layer, 32-head model are planted in a database of its own, in two groups, with every metric of a text.
The summary is then made as a worker makes it. Recorded are the time of each step on the clock, the process's own time
on the processor (what the database needs besides is in the first only), and its peak memory.
"""

import argparse
import os
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, create_engine, insert, select, text

from attention.comparison.compare import compare
from attention.comparison.groups import ComparisonSettings, Group
from attention.definitions import CONVERSATION_METRIC_NAMES, METRIC_NAMES
from benchmarks.machine import machine
from hearken.local import PostgresServer, temporary_folder
from models.queries.reading.summaries import measured_group
from models.queries.writing import binary_copy as wire
from models.queries.writing.binary_copy import Cells, copy_blocks
from models.tables import LOCAL_TENANT, analysis, document, job, measurement, model_version, work_item

RESULTS = Path(__file__).parent / "results"
LAYERS = HEADS = 32
HIDDEN = 4096
BITE = 250
TEXT_METRICS = [name for name in METRIC_NAMES if name not in CONVERSATION_METRIC_NAMES]


def plant(connection: Connection, documents: int, random: np.random.Generator) -> None:
    """A finished job of two groups; the second differs in a few heads."""
    values = {"model_id": "planted", "revision": "1", "weights_sha256": "0", "dtype": "float32", "dimension": HIDDEN}
    facts = {"architecture": "planted", "special_tokens": 1}
    version = insert(model_version).values(**values, facts=facts).returning(model_version.c.key)
    key: int = connection.execute(version).scalar_one()
    connection.execute(
        insert(job).values(id="job_1", tenant_id=LOCAL_TENANT, kind="comparison", request={}, total=documents)
    )
    for start in range(0, documents, BITE):
        numbers = range(start, min(start + BITE, documents))
        ids = _rows(connection, key, numbers, random)
        heads = {
            name: np.exp(0.3 * random.standard_normal((len(numbers), LAYERS, HEADS), np.float32))
            for name in TEXT_METRICS
        }
        heads["distance"][[number % 2 == 1 for number in numbers], 5, :3] *= 1.2
        of_layers = [wire.int8(np.repeat(ids, LAYERS)), wire.int2(np.tile(np.arange(LAYERS), len(ids)))]
        columns = ("measurement_id", "layer", *METRIC_NAMES, *(f"{name}_heads" for name in METRIC_NAMES))
        copy_blocks(connection, "measurement_layer", columns, [[*of_layers, *_layers(heads)]])
        vectors = random.standard_normal((len(numbers), HIDDEN), np.float32)
        vectors[[number % 2 == 1 for number in numbers], :8] += 1
        of_documents = wire.int8(ids), wire.text([LOCAL_TENANT] * len(ids)), wire.int8(np.full(len(ids), key))
        columns = ("measurement_id", "tenant_id", "version_key", "embedding")
        copy_blocks(connection, "embedding", columns, [[*of_documents, wire.vector(vectors)]])
        columns = ("measurement_id", "layer", "embedding")
        copy_blocks(
            connection, "layer_embedding", columns, [[*of_layers, wire.vector(_layer_vectors(vectors, random))]]
        )


def _rows(connection: Connection, key: int, numbers: range, random: np.random.Generator) -> list[int]:
    """Documents, items, measurements and analyses with these numbers; the measurements' ids."""
    mine = {"tenant_id": LOCAL_TENANT}
    documents = [
        {"id": f"doc_{n}", **mine, "position": n, "content": {"text": "x"}, "content_sha256": b"", "characters": 1}
        for n in numbers
    ]
    connection.execute(insert(document), documents)
    items = [
        {**mine, "job_id": "job_1", "document_id": f"doc_{n}", "model_id": "planted", "group_position": n % 2,
         "options": {}, "request_key": b"", "priority": 0, "estimated_tokens": 256, "state": "done"}
        for n in numbers
    ]  # fmt: skip
    connection.execute(insert(work_item), items)
    measured = [
        {**mine, "work_key": n.to_bytes(8, "big"), "version_key": key, "definitions": "planted", "tokens": 512,
         "speakers": [], "windows": 2, "truncated": True, "left_out_rows": 0,
         **{name: float(np.exp(0.3 * random.standard_normal())) for name in TEXT_METRICS}}
        for n in numbers
    ]  # fmt: skip
    connection.execute(insert(measurement), measured)
    found = connection.execute(
        select(measurement.c.id).where(measurement.c.work_key >= numbers[0].to_bytes(8, "big")).order_by("id")
    ).scalars()
    ids = list(found)
    works = connection.execute(
        select(work_item.c.id).where(work_item.c.document_id.in_([f"doc_{n}" for n in numbers])).order_by("id")
    ).scalars()
    analyses = [
        {"id": f"an_{n}", **mine, "job_id": "job_1", "work_item_id": work, "document_id": f"doc_{n}",
         "measurement_id": name, "model_id": "planted", "listed": False, "cached": False, "timing": {}}
        for n, work, name in zip(numbers, works, ids, strict=True)
    ]  # fmt: skip
    connection.execute(insert(analysis), analyses)
    return ids


def _layers(heads: dict[str, NDArray[np.float32]]) -> tuple[Cells, Cells]:
    """Every metric's means and heads, a row for each layer of each document; other metrics are undefined."""
    undefined = np.full_like(next(iter(heads.values())), np.nan)
    values = np.stack([heads.get(name, undefined) for name in METRIC_NAMES], 2).reshape(-1, len(METRIC_NAMES), HEADS)
    return wire.float8(values.mean(2)), wire.float4_array(values)


def _layer_vectors(vectors: NDArray[np.float32], random: np.random.Generator) -> NDArray[Any]:
    """Embeddings at every layer, in which the groups' difference grows with the depth. (n x L, d)"""
    noise = random.standard_normal((LAYERS, HIDDEN), np.float32)
    depth = (np.arange(LAYERS, dtype=np.float32) + 1) / LAYERS
    moved = np.stack([np.roll(noise, row, axis=1) for row in range(len(vectors))])  # (n, L, d)
    return (vectors[:, None] * depth[:, None] + moved).reshape(-1, HIDDEN)


def run(documents: int) -> list[tuple[str, float, float, float]]:
    """Plant, read and compare: (step, seconds, seconds on the processor, peak GB so far)."""
    from migrations.run import upgrade

    steps: list[tuple[str, float, float, float]] = []
    begun, worked = time.perf_counter(), time.process_time()

    def done(step: str) -> None:
        nonlocal begun, worked
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        steps.append((step, time.perf_counter() - begun, time.process_time() - worked, peak))
        print("{}: {:.1f} s, {:.1f} s on the processor, peak {:.2f} GB".format(*steps[-1]), flush=True)
        begun, worked = time.perf_counter(), time.process_time()

    with temporary_folder() as folder, PostgresServer(folder, durable=False) as server:
        upgrade(server.url)
        engine = create_engine(server.url)
        with engine.begin() as connection:
            plant(connection, documents, np.random.default_rng(0))
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(text("ANALYZE"))
        done("plant (not part of a summary)")
        with engine.connect() as connection:
            found = [measured_group(connection, "job_1", position) for position in (0, 1)]
        done("read groups, layers and embeddings")
        groups = [
            Group(
                name=name, model="planted", analysis_ids=one.analysis_ids, layers=one.layers, overall=one.overall,
                heads=one.heads, embeddings=one.embeddings, layer_embeddings=one.layer_embeddings,
                documents=one.documents, skipped=one.skipped,
            )
            for name, one in zip("ab", found, strict=True)
        ]  # fmt: skip
        last = "canonical order"

        def between(step: str) -> None:
            nonlocal last
            kind = step.partition(":")[0]
            if kind != last:
                done(last)
                last = kind

        compare(groups, ComparisonSettings(), between_steps=between)
        done(last)
        engine.dispose()
    return steps


def main() -> None:
    """Run once and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    load = os.getloadavg()[0]
    steps = run(chosen.documents)
    summary, about = steps[1:], machine()
    lines = [
        f"# A comparison of {chosen.documents:,} documents of a model of {LAYERS} layers and {HEADS} heads",
        "",
        f"{about['processor']}, {about['cores']} cores; load before the run {load:.1f}. "
        f"{len(TEXT_METRICS)} metrics, two groups, {HIDDEN} dimensions.",
        "",
        "| step | seconds | of them on the processor | peak memory of the process so far, GB |",
        "|---|---|---|---|",
        *("| {} | {:.1f} | {:.1f} | {:.2f} |".format(*step) for step in steps),
        f"| **the statistics, without planting and map** | **{sum(step[1] for step in summary[:-1]):.1f}** | "
        f"**{sum(step[2] for step in summary[:-1]):.1f}** | **{summary[-2][3]:.2f}** |",
        f"| **the summary, all steps but the first** | **{sum(step[1] for step in summary):.1f}** | "
        f"**{sum(step[2] for step in summary):.1f}** | **{summary[-1][3]:.2f}** |",
    ]
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "comparison-scale.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
