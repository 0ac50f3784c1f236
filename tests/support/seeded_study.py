"""The documents of a whole study: three groups, two of them the same talk under two models, and what goes with them.

`fixtures/study.json` is what a worker stored for them when a result was a dictionary.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from planted import planted_group

from attention.comparison.groups import ComparisonSettings, Group

FIXTURES = Path(__file__).parents[1] / "fixtures"
METRICS = ("distance", "dispersion", "interdependency", "sink", "cross_speaker_lift")
SETTINGS = ComparisonSettings(seed=3, map_layers=(1, 7), bootstrap=1000)
"""One of the layers to be mapped does not exist."""
CONTROLS = ("untrained", "shuffled_turns")
DIMENSIONS = 4


@dataclass
class LayerVectors:
    """Embeddings by layer in memory, (n, L, d)."""

    values: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int, int]:
        n, depth, size = self.values.shape
        return n, depth, size

    def at(self, layer: int, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        return self.values[rows, layer]


def stored(name: str) -> Any:
    """The JSON of one of the fixtures."""
    return json.loads((FIXTURES / name).read_text(encoding="utf-8"))


def study_groups(*, shift: float = 1.2, seed: int = 0) -> list[Group]:
    """Talk in clusters, code without, and the talk's documents again under another model, in another order."""
    talk = planted_group(
        "talk", size=12, shift=shift, seed=seed, metrics=METRICS, dimensions=DIMENSIONS, model="before", clusters=10
    )
    code = planted_group(
        "code", size=10, seed=seed, metrics=METRICS, dimensions=DIMENSIONS, model="before", conversation=False
    )
    talk.skipped = {"too-short": 2, "document-too-long": 1}
    code.documents = [f"file {number}" for number in range(code.size)]
    return [_with_layer_vectors(one, seed) for one in (talk, code, _tuned(talk, seed))]


def first_windows(groups: list[Group], *, shift: float = -0.8) -> dict[str, Mapping[str, NDArray[np.float64]]]:
    """By the group's name, the metrics of every document's first window, (n, L) each; one document has none."""
    found = {}
    for group in groups:
        random = np.random.default_rng([7, *group.name.encode()])
        moved = shift if group.name != "code" else 0.0
        layers = {name: random.normal(size=values.shape) + moved for name, values in group.layers.items()}
        for name, values in layers.items():
            values[2] = np.nan
            if np.isnan(group.layers[name]).all():
                values[:] = np.nan
        found[group.name] = layers
    return found


def tokens_per_word(groups: list[Group]) -> dict[str, NDArray[np.float64]]:
    """By the group's name, how many tokens a word had in each document (n,); of one document that is not known."""
    rates = {}
    for group in groups:
        rate = np.random.default_rng([11, *group.name.encode()]).uniform(1.1, 2.2, size=group.size)
        rate[4] = np.nan
        rates[group.name] = rate
    return rates


def control_groups(name: str) -> list[Group]:
    """The groups measured again under a control; with shuffled turns too few texts are left."""
    groups = study_groups(shift=0.3, seed=1 + CONTROLS.index(name))
    if name == "shuffled_turns":
        groups[1] = planted_group("code", size=3, metrics=METRICS, model="before")
        groups[1].skipped = {"no-turns": 7}
    return groups


def _with_layer_vectors(group: Group, seed: int) -> Group:
    random = np.random.default_rng([13, seed, *group.name.encode()])
    values = random.normal(size=(group.size, group.depth, DIMENSIONS)).astype(np.float32)
    values[:, 1:, 0] += 3 * (group.name == "code")
    return replace(group, layer_embeddings=LayerVectors(values))


def _tuned(group: Group, seed: int) -> Group:
    """The same documents with every value a little larger, in another order."""
    random = np.random.default_rng([5, seed])
    order = random.permutation(group.size)

    def moved(values: Any) -> Any:
        return (values + 0.2 + 0.1 * random.normal(size=values.shape))[order]

    assert group.documents is not None
    assert group.clusters is not None
    assert group.heads is not None
    assert group.embeddings is not None
    return replace(
        group,
        name="talk, tuned",
        model="after",
        analysis_ids=[f"tuned-{number}" for number in range(group.size)],
        overall={name: moved(values) for name, values in group.overall.items()},
        layers={name: moved(values) for name, values in group.layers.items()},
        heads={name: moved(values) for name, values in group.heads.items()},
        embeddings=moved(group.embeddings),
        documents=[group.documents[place] for place in order],
        clusters=[group.clusters[place] for place in order],
        skipped={},
    )
