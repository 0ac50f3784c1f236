"""Rows with random statistics, and the sums over them by the definitions, one row at a time, in float64."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from attention.definitions import SINK_LIMIT
from attention.kernels import BatchGroups, KeyGroups, LayersOfRows, Layout, Reach, RowRequest, VisibleKeys
from attention.kernels.distance_baseline import ROUNDING
from attention.kernels.rows import FIXED_POINT, PLACES
from attention.reductions.summed import LEFT_OUT, ROW_MEANS, SHARES, SUMMED, RowSums

Floats = NDArray[np.float64]
MASKS = ("causal", "bidirectional", "sliding", "both ways", "blind")
REACHES = {
    "causal": Reach(None, 0),
    "bidirectional": Reach(None, None),
    "sliding": Reach(6, 0),
    "both ways": Reach(9, 9),
}


def talk(length: int, turns: int, speakers: int, seed: int) -> KeyGroups:
    """Turns of a few tokens with scaffold between them, in an order in which most come back; the last has no token."""
    draw = np.random.default_rng(seed)
    column = np.zeros(length, np.int32)
    place = 0
    while place < length:
        place += int(draw.integers(0, 3))
        stop = place + int(draw.integers(1, 12))
        column[place:stop] = 1 + draw.integers(0, turns - 1)
        place = stop
    return KeyGroups(column, np.arange(turns, dtype=np.int32) + 4, draw.integers(0, speakers, turns).astype(np.int32))


def text(length: int) -> KeyGroups:
    """No turns; the first and the last token are scaffold."""
    column = np.full(length, -1, np.int32)
    column[[0, -1]] = 0
    nothing = np.zeros(0, np.int32)
    return KeyGroups(column, nothing, nothing)


def talks() -> tuple[KeyGroups, ...]:
    """Sequences of several lengths: one longer than a kernel's chunk, one of a single turn, none, of one token."""
    one_turn = KeyGroups(np.array([0, 1, 1, 1, 0, 1], np.int32), np.array([0], np.int32), np.array([2], np.int32))
    return talk(141, 4, 2, 1), text(1), talk(37, 5, 3, 2), text(12), one_turn


@dataclass(frozen=True, slots=True, eq=False)
class ReductionCase:
    """Rows of some layers with the layout they belong to."""

    rows: LayersOfRows
    layout: Layout

    def alone(self, sequence: int, padding: int) -> "ReductionCase":
        """One sequence by itself, with as much padding after it."""
        group = self.layout.groups.each[sequence]
        length = len(group.column)

        def cut(sums: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.pad(sums[..., sequence : sequence + 1, :, :length], (0, padding)).contiguous()

        kept = LayersOfRows(
            cut(self.rows.values), None if self.rows.by_distance is None else cut(self.rows.by_distance), None, None
        )
        visible = self.layout.visible_keys[sequence]
        return ReductionCase(kept, Layout.of([visible], [group], length + padding))

    def to(self, device: torch.device) -> LayersOfRows:
        """The rows on a device."""
        by_distance = self.rows.by_distance
        there = None if by_distance is None else by_distance.to(device)
        return LayersOfRows(self.rows.values.to(device), there, None, None)


def rows_case(
    groups: Sequence[KeyGroups], mask: str = "causal", *, layers: int = 2, heads: int = 3, turns: bool = True
) -> ReductionCase:
    """Statistics drawn from what they may be: rows on the sink alone, and heads without any weight, too."""
    draw = np.random.default_rng(7)
    lengths = [len(group.column) for group in groups]
    tokens = max(lengths) + 3
    spans = [(0, length) for length in lengths]
    visible = [_visible(mask, length) for length in lengths]
    layout = Layout(BatchGroups.of(spans, groups, tokens), REACHES.get(mask) or visible)
    shape = (len(groups), heads, tokens)
    rows = LayersOfRows.empty(layers, shape, RowRequest(turns=turns), flow_sizes=0, device=torch.device("cpu"))
    values = draw.uniform(0, 1, rows.values.shape)
    values[:, [PLACES["distance"], PLACES["distance_rest"], PLACES["variance"]]] *= 40
    values[:, PLACES["variance"]] -= 0.5  # rounding leaves some below 0
    shown = rows.values.shape[2:]
    sinks = draw.uniform(0, 1, (layers, *shown)) < 0.3
    values[:, PLACES["rest"]][sinks] = draw.choice([0.0, 0.9 * SINK_LIMIT, 1.1 * SINK_LIMIT], int(sinks.sum()))
    if turns:
        values[:, PLACES["content"]][draw.uniform(0, 1, (layers, *shown)) < 0.2] = 0
        assert rows.by_distance is not None
        weights = draw.exponential(1, rows.by_distance.shape) / FIXED_POINT
        weights[:, :, 0] *= draw.uniform(0, 1, (layers, len(groups), 1)) < 0.5
        weights[:, :, -1, 3:] = 0  # far keys have no mass at all
        rows.by_distance[:] = torch.from_numpy(weights.astype(np.int64))
    sees = np.zeros((len(groups), tokens), np.bool_)
    for index, keys in enumerate(visible):
        sees[index, : lengths[index]] = keys.last > keys.first
        if rows.by_distance is not None:
            rows.by_distance[:, index, :, lengths[index] :] = 0
    rows.values[:] = torch.from_numpy(values * sees[:, None])
    return ReductionCase(rows, layout)


def _visible(mask: str, length: int) -> VisibleKeys:
    if mask in REACHES:
        return REACHES[mask].visible_keys(0, length)
    place = np.arange(length, dtype=np.int32)
    last = np.minimum(place + 1 + place % 4, length)  # differs from query to query
    first = np.where(place % 5 == 3, last, np.maximum(place - 20, 0))  # every fifth sees nothing
    return VisibleKeys(0, first.astype(np.int32), last.astype(np.int32))


def expected_sums(case: ReductionCase) -> RowSums:
    """By the definitions."""
    values = case.rows.values.double().numpy()
    layers, _, batch, heads, _ = values.shape
    groups = case.layout.groups
    by_head = np.zeros((layers, 2, len(SUMMED), batch, heads))
    by_turn = np.zeros((layers, 2, len(ROW_MEANS), groups.turns))
    for item, group in enumerate(groups.each):
        seen = case.layout.visible_keys[item].matrix()
        for layer in range(layers):
            for head in range(heads):
                distances = None
                if case.rows.by_distance is not None:
                    distances = case.rows.by_distance[layer, item, head].double().numpy() * FIXED_POINT
                found = _metrics(values[layer, :, item, head], distances, seen, group)
                for kind, name in enumerate(SUMMED):
                    value, defined = found.get(name, (np.zeros(len(seen)), np.zeros(len(seen), np.bool_)))
                    by_head[layer, :, kind, item, head] = value[defined].sum(), defined.sum()
                    for turn in range(group.turns if kind < len(ROW_MEANS) else 0):
                        of_turn = defined & (group.query_turn == turn)
                        by_turn[layer, 0, kind, groups.turn_offset[item] + turn] += value[of_turn].sum()
                        by_turn[layer, 1, kind, groups.turn_offset[item] + turn] += of_turn.sum()
    return RowSums(torch.from_numpy(by_head), torch.from_numpy(by_turn))


def _metrics(
    rows: Floats, by_distance: Floats | None, seen: NDArray[np.bool_], group: KeyGroups
) -> dict[str, tuple[Floats, NDArray[np.bool_]]]:
    """Each metric's values (n,) in one head of one sequence, and which rows have it."""
    n = len(seen)
    row = {name: rows[place, :n] for name, place in PLACES.items() if place < len(rows)}
    place = np.arange(n)
    apart = np.abs(place[:, None] - place)  # (n, n)
    visible, others = seen.sum(1), seen[:, 1:].sum(1)
    sees = visible > 0
    measurable = (others > 0) & (rows[PLACES["rest"], :n].astype(np.float32) >= np.float32(SINK_LIMIT))
    with np.errstate(divide="ignore", invalid="ignore"):
        far = row["distance_rest"] / np.maximum((seen * apart)[:, 1:].sum(1) / others, 0.5)
        found = {
            "distance": (row["distance"], sees),
            "distance_without_sink": (row["distance_rest"], measurable),
            "distance_spread": (np.sqrt(np.maximum(row["variance"], 0)), sees),
            "entropy": (row["entropy"], sees),
            "entropy_without_sink": (row["entropy_rest"], measurable),
            "dispersion": (row["entropy"] / np.log(visible), visible > 1),
            "interdependency": (far * (row["entropy_rest"] / np.log(others)), measurable & (others > 1)),
            "sink": (row["sink"], sees & (place > 0)),
            "scaffold": (row["scaffold"], sees),
            "null_mass": (row["null_mass"], sees),
            LEFT_OUT: (np.ones(n), (others > 0) & ~measurable),
        }
        if by_distance is None or group.turns == 0:
            return found
        own = group.query_turn
        asked = (own >= 0) & (own != own[np.argmax(own >= 0)])
        some = asked & (row["content"] > 0)
        found |= {name: (row[name] / row["content"], some) for name in SHARES}
        found["turn_distance"] = row["turn_steps"] / row["content"], some
        pairs = np.bincount(apart[seen], minlength=n)
        alone = by_distance[:n] / np.maximum(pairs, 1)  # (n,)
        for kind, weight in (("uniform", np.ones(n)), ("local", alone)):
            share, possible = _shares(weight[apart] * (seen & (own >= 0)), group)
            for name in SHARES:
                values = np.where(possible, share[name], 0)
                found[f"{name}_{kind}"] = values, asked if kind == "uniform" else asked & possible
    return found


def _shares(weight: Floats, group: KeyGroups) -> tuple[dict[str, Floats], NDArray[np.bool_]]:
    """Shares of each row's weight (n, n) on content, and which rows have any."""
    own = group.query_turn
    speaker = group.turn_speaker[own]  # of no turn: any
    other_turn = own[:, None] != own
    other_speaker = speaker[:, None] != speaker
    content = weight.sum(1)
    masses = {
        "cross_turn": (weight * other_turn).sum(1),
        "cross_speaker": (weight * other_speaker).sum(1),
        "own_history": (weight * (other_turn & ~other_speaker)).sum(1),
    }
    return {name: np.where(mass > ROUNDING, mass, 0) / content for name, mass in masses.items()}, content > ROUNDING
