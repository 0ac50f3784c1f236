"""What is stored of measured documents beside their rows of `measurement`: layers, turns and vectors, by COPY."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from attention.definitions import METRIC_NAMES, PROFILE_METRICS, TURN_METRIC_NAMES
from models.queries.search.profiles import StoredScale
from models.queries.writing import binary_copy as wire
from models.queries.writing.binary_copy import Cells, copy_blocks, in_pieces
from models.queries.writing.profiles import insert_profiles
from models.wide_vectors import WIDEST, embedding_column

_OF_LAYER: Final = ("measurement_id", "layer", *METRIC_NAMES)
_OF_TURN: Final = ("measurement_id", "turn", "speaker", "tokens", *TURN_METRIC_NAMES)


class Measured(Protocol):
    """What is stored of one document: the fields of `attention.measure.Measurement` that outlive the worker."""

    tokens: int
    turns: int | None
    speakers: tuple[str, ...]
    windows: int
    truncated: bool
    heads: dict[str, NDArray[np.float64]]  # (L, H) each
    layers: dict[str, NDArray[np.float64]]  # (L,) each
    document: dict[str, float]
    embedding: NDArray[np.float32]  # (d,)
    turn_embeddings: NDArray[np.float32] | None  # (T, d)
    layer_embeddings: NDArray[np.float32] | None  # (L, d)
    flow: NDArray[np.float32] | None  # (L, T, T + 1)
    turn_tokens: NDArray[np.int64] | None  # (T,)
    turn_speakers: NDArray[np.int32] | None  # (T,)
    turn_metrics: dict[str, NDArray[np.float64]] | None  # (T,) each
    left_out_rows: int
    first_layers: dict[str, NDArray[np.float64]] | None  # (L,) each


Made = Mapping[int, tuple[str, Measured]]
"""New measurements by id: whose each is, and its numbers."""


def insert_parts(connection: Connection, version_key: int, scale: StoredScale | None, made: Made) -> None:
    """The layers, the first windows, the turns and all vectors of new measurements of one model version."""
    if not made:
        return
    ordered = dict(sorted(made.items(), key=lambda entry: _flow_size(entry[1][1])))
    measured = {name: each for name, (_, each) in ordered.items()}
    heads = [f"{name}_heads" for name in METRIC_NAMES]
    copy_blocks(connection, "measurement_layer", (*_OF_LAYER, *heads, "flow"), _layers(measured))
    copy_blocks(connection, "measurement_first_window", _OF_LAYER, _first_windows(measured))
    copy_blocks(connection, "measurement_turn", _OF_TURN, _turns(measured))
    column = embedding_column(len(next(iter(measured.values())).embedding))
    named = ("measurement_id", "tenant_id", "version_key", column)
    copy_blocks(connection, "embedding", named, _vectors(version_key, ordered))
    copy_blocks(connection, "turn_embedding", (*named, "turn"), _turn_vectors(version_key, ordered))
    copy_blocks(connection, "layer_embedding", ("measurement_id", "layer", column), _layer_vectors(measured))
    if scale is not None:
        stacked = {name: np.stack([each.heads[name] for each in measured.values()]) for name in PROFILE_METRICS}
        insert_profiles(connection, scale, {name: tenant_id for name, (tenant_id, _) in ordered.items()}, stacked)


def _flow_size(measured: Measured) -> int:
    """How many numbers a layer's flow has, -1 where none is kept: rows of one block have the same."""
    return -1 if measured.flow is None else measured.flow[0].size


def _by_metric(of_each: Iterable[Mapping[str, Any]]) -> NDArray[np.float64]:
    """Values by metric of n documents or layers, as (n, M, ...)."""
    return np.array([[values[name] for name in METRIC_NAMES] for values in of_each])


def _layers(made: Mapping[int, Measured]) -> Iterator[list[Cells]]:
    for size, group in groupby(made.items(), lambda entry: _flow_size(entry[1])):
        ids, measured = zip(*group, strict=True)
        values = _by_metric(each.layers for each in measured).swapaxes(1, 2)  # (D, L, M)
        heads = _by_metric(each.heads for each in measured).swapaxes(1, 2)  # (D, L, M, H)
        depth, rows = values.shape[1], values.shape[0] * values.shape[1]
        numbers = np.repeat(ids, depth), np.tile(np.arange(depth), len(ids))
        values, heads = values.reshape(rows, -1), heads.reshape(rows, *heads.shape[2:])
        flows = [flow.ravel() for each in measured if each.flow is not None for flow in each.flow]
        for part in in_pieces(rows, 8 * (max(0, size) + heads[0].size)):
            yield [
                *_two_ids(numbers[0][part], numbers[1][part]),
                wire.float8(values[part]),
                wire.float4_array(heads[part]),
                wire.float4_array(np.stack(flows[part])) if flows else wire.nulls(part.stop - part.start),
            ]


def _two_ids(measurement_ids: Any, layers: Any) -> tuple[Cells, Cells]:
    return wire.int8(measurement_ids), wire.int2(layers)


def _first_windows(made: Mapping[int, Measured]) -> Iterator[list[Cells]]:
    first = {name: each.first_layers for name, each in made.items() if each.first_layers is not None}
    if first:
        values = _by_metric(first.values()).swapaxes(1, 2)  # (D, L, M)
        depth = values.shape[1]
        ids = _two_ids(np.repeat([*first], depth), np.tile(np.arange(depth), len(first)))
        yield [*ids, wire.float8(values.reshape(-1, values.shape[2]))]


def _turns(made: Mapping[int, Measured]) -> Iterator[list[Cells]]:
    found = [(name, each) for name, each in made.items() if each.turn_metrics is not None]
    if found:
        tokens = [np.asarray(each.turn_tokens) for _, each in found]
        counts = [len(each) for each in tokens]
        speaker = np.concatenate([np.asarray(each.turn_speakers) for _, each in found])
        values = [np.stack([each.turn_metrics[name] for name in TURN_METRIC_NAMES], 1) for _, each in found]  # type: ignore[index]
        yield [
            wire.int8(np.repeat([name for name, _ in found], counts)),
            wire.int4(np.concatenate([np.arange(count) for count in counts])),
            wire.int4(speaker, speaker < 0),
            wire.int4(np.concatenate(tokens)),
            wire.float8(np.concatenate(values)),
        ]


def _of_vectors(vectors: NDArray[np.float32]) -> Cells:
    return wire.vector(vectors) if vectors.shape[1] <= WIDEST else wire.float4_array(vectors)


def _vectors(version_key: int, made: Made) -> Iterator[list[Cells]]:
    """The documents' vectors; a document that has no token of its own has none."""
    vectors = np.stack([each.embedding for _, each in made.values()])
    yield from _vector_blocks(version_key, made, vectors, np.arange(len(made)))


def _turn_vectors(version_key: int, made: Made) -> Iterator[list[Cells]]:
    """Each turn's vector; a turn that has no token of its own has none."""
    turns = [each.turn_embeddings for _, each in made.values()]
    counts = [0 if each is None else len(each) for each in turns]
    if any(counts):
        vectors = np.concatenate([each for each in turns if each is not None])
        numbers = np.concatenate([np.arange(count) for count in counts])
        owner = np.repeat(np.arange(len(made)), counts)
        yield from _vector_blocks(version_key, made, vectors, owner, numbers)


def _vector_blocks(
    version_key: int,
    made: Made,
    vectors: NDArray[np.float32],
    owner: NDArray[np.intp],
    turns: NDArray[np.intp] | None = None,
) -> Iterator[list[Cells]]:
    """Rows of vectors (n, d): whose each is, (n,) places in `made`, and its turn where they are of turns."""
    ids, tenants = np.array([*made]), wire.text([tenant_id for tenant_id, _ in made.values()])
    there = np.flatnonzero(~np.isnan(vectors).all(1))
    for part in in_pieces(len(there), 4 * vectors.shape[1]):
        rows = there[part]
        yield [
            wire.int8(ids[owner[rows]]),
            tenants.take(owner[rows]),
            wire.int8(np.full(len(rows), version_key)),
            _of_vectors(vectors[rows]),
            *([] if turns is None else [wire.int4(turns[rows])]),
        ]


def _layer_vectors(made: Mapping[int, Measured]) -> Iterator[list[Cells]]:
    """The document's vector at each layer, where that was asked for and the document has a token of its own."""
    for name, measured in made.items():
        vectors = measured.layer_embeddings
        if vectors is not None and not np.isnan(vectors).all():
            yield [*_two_ids(np.full(len(vectors), name), np.arange(len(vectors))), _of_vectors(vectors)]
