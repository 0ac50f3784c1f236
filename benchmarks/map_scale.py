"""How long a map takes: `python -m benchmarks.map_scale [--documents 2000 5000 20000 50000] [--out FOLDER]`.

Embeddings of 384 dimensions are planted in four groups of ten topics each and mapped as a comparison maps them, from
the smallest number to the largest. Recorded are the time on the clock, the process's own time on the processor, its
peak memory so far, how trustworthy the map is, and how often a document's nearest neighbour there is of its topic.
"""

import argparse
import os
import resource
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from attention.comparison.groups import Group
from attention.comparison.parts.spaces import Map
from attention.comparison.spaces.maps import draw_map
from benchmarks.machine import machine

RESULTS = Path(__file__).parent / "results"
GROUPS, TOPICS, DIMENSIONS = 4, 10, 384
LIMIT_SECONDS = 600


def plant(documents: int, random: np.random.Generator) -> tuple[list[Group], NDArray[np.intp]]:
    """Groups of equal size, and each document's topic in their order."""
    centres = random.standard_normal((GROUPS * TOPICS, DIMENSIONS)) * 0.35
    groups, topics = [], []
    for number in range(GROUPS):
        size = documents // GROUPS
        topic = number * TOPICS + random.integers(TOPICS, size=size)
        vectors = (centres[topic] + random.standard_normal((size, DIMENSIONS))).astype(np.float32)
        names = [f"an_{number}_{row}" for row in range(size)]
        groups.append(
            Group(name=f"g{number}", model="planted", analysis_ids=names, layers={}, overall={}, embeddings=vectors)
        )
        topics.append(topic)
    return groups, np.concatenate(topics)


def own_topic(drawn: Map, topic: NDArray[np.intp]) -> float:
    """The share of documents whose nearest neighbour on the map has their topic."""
    positions = np.array([(point.x, point.y) for point in drawn.points])
    nearest = NearestNeighbors(n_neighbors=2).fit(positions).kneighbors(return_distance=False)[:, 1]
    return float((topic[nearest] == topic).mean())


def row(documents: int) -> str:
    """Plant and map so many documents: one line of the table."""
    groups, topic = plant(documents, np.random.default_rng(0))
    begun, worked = time.perf_counter(), time.process_time()
    drawn = draw_map(groups, "embedding", None, seed=0, limit=documents, perplexity=30.0)
    seconds, processor = time.perf_counter() - begun, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return (
        f"| {documents:,} | {drawn.method} | {seconds:.1f} | {processor:.1f} | {peak:.2f} | "
        f"{drawn.trustworthiness:.3f} | {own_topic(drawn, topic):.3f} |"
    )


def main() -> None:
    """Map every number of documents once and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, nargs="+", default=[2_000, 5_000, 20_000, 50_000])
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    load, about = os.getloadavg()[0], machine()
    lines = [
        "# Maps of many documents",
        "",
        f"{about['processor']}, {about['cores']} cores, of which a map uses one; load before the run {load:.1f}. "
        f"{DIMENSIONS} dimensions, {GROUPS} groups of {TOPICS} topics; chance for the last column is "
        f"{1 / (GROUPS * TOPICS):.3f}. Promised: 50,000 documents in under {LIMIT_SECONDS:,} seconds.",
        "",
        "| documents | method | seconds | on the processor | peak memory so far, GB | trustworthiness | own topic |",
        "|---|---|---|---|---|---|---|",
    ]
    for documents in sorted(chosen.documents):
        lines.append(row(documents))
        print(lines[-1], flush=True)
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "map-scale.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
