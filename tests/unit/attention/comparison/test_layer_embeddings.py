"""Embeddings by layer: read when they are asked for, of the right document and layer in whatever order groups come."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray
from planted import planted_group

from attention.comparison.alignment import matched_by_depth
from attention.comparison.compare import compare
from attention.comparison.groups import ComparisonSettings, Group, canonical
from attention.comparison.spaces.points import available, points

DIMENSIONS = 6


@dataclass
class Stored:
    """Embeddings in memory, and what was asked of them."""

    values: NDArray[np.float32]
    asked: list[int] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, int, int]:
        n, depth, size = self.values.shape
        return n, depth, size

    def at(self, layer: int, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        self.asked.append(layer)
        return self.values[rows, layer]


def with_layers(group: Group, *, parts_from: int | None = None, seed: int = 0) -> Group:
    """The group with an embedding a layer, whose first number lies apart in every layer from `parts_from` on."""
    random = np.random.default_rng([seed, *group.name.encode()])
    values = random.normal(size=(group.size, group.depth, DIMENSIONS)).astype(np.float32)
    if parts_from is not None:
        values[:, parts_from:, 0] += 6
    group.layer_embeddings = Stored(values)
    return group


def test_the_same_documents_are_read_in_the_canonical_order() -> None:
    group, other = (with_layers(planted_group(name, size=12, layers=3)) for name in "ab")
    values = {name: group.layer_embeddings.values[row] for row, name in enumerate(group.analysis_ids)}
    ordered = canonical([other, group])[0]
    found = points([ordered], "embedding", 2, [np.array([7, 0, 3])])
    assert found == pytest.approx(np.stack([values[ordered.analysis_ids[row]][2] for row in (7, 0, 3)]))


def test_layers_matched_by_depth_are_those_that_are_read() -> None:
    shallow = with_layers(planted_group("shallow", layers=2))
    deep = with_layers(planted_group("deep", layers=5))
    matched, taken = matched_by_depth([shallow, deep])
    assert taken == {"deep": [0, 4]}
    assert available(matched, "embedding", 1)
    found = points([matched[1]], "embedding", 1, [np.arange(3)])
    assert found == pytest.approx(deep.layer_embeddings.values[:3, 4])


def test_separability_says_at_which_layer_embeddings_part_first() -> None:
    groups = [
        with_layers(planted_group("a", size=40, layers=3, metrics=["distance"])),
        with_layers(planted_group("b", size=40, layers=3, metrics=["distance"]), parts_from=1),
    ]
    found = compare(groups, ComparisonSettings(by_head=False, maps=()))
    by_layer = {one.layer: one for one in found.separability if one.space == "embedding"}
    assert set(by_layer) == {None, 0, 1, 2}
    assert by_layer[1].accuracy > 0.95 > 0.7 > by_layer[0].accuracy
    assert found.parts_first["embedding"] == 1


def test_a_map_of_a_layer_is_drawn_and_one_of_no_layer_is_said_to_be_missing() -> None:
    groups = [with_layers(planted_group(name, layers=2, metrics=["distance"])) for name in "ab"]
    settings = ComparisonSettings(by_head=False, separability=False, maps=("embedding",), map_layers=(1, 2))
    found = compare(groups, settings)
    assert [(drawn.space, drawn.layer) for drawn in found.maps] == [("embedding", None), ("embedding", 1)]
    assert set(groups[0].layer_embeddings.asked) == {1}
    (told,) = [warned.message for warned in found.warnings if warned.code == "map-layer-missing"]
    assert "layer 2" in told
    assert "0 to 1" in told
