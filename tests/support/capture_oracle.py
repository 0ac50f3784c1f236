"""The metrics of one window straight from their definitions, over full attention matrices in float64.

Written apart from the code under test: plain loops over numpy arrays, one formula a line.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attention.text.documents import Window

Floats = NDArray[np.float64]
SHARES = ("cross_turn", "cross_speaker", "own_history")
NAMES = (
    "distance",
    "distance_without_sink",
    "distance_spread",
    "entropy",
    "entropy_without_sink",
    "dispersion",
    "interdependency",
    "sink",
    "scaffold",
    "null_mass",
    "turn_distance",
    *(share + suffix for share in SHARES for suffix in ("", "_uniform", "_local")),
    "left_out",
)


@dataclass
class OracleRows:
    """Values of the defined rows of every head, as lists: name -> [[values of head 0], ...]."""

    values: dict[str, list[list[float]]]
    flow: Floats  # (H, T, T + 1) means over the content rows of a turn
    received: Floats  # (H, n)
    received_uniform: Floats  # (n,)
    rows: dict[str, list[list[int]]]  # the rows of `values`


def seen_by_eager(weights: Floats) -> NDArray[np.bool_]:
    """Which keys each query sees: those to which some head gives weight. (n, n)"""
    return np.asarray((weights > 0).any(axis=0))


def rows_of(weights: Floats, seen: NDArray[np.bool_], window: Window) -> OracleRows:
    """Every row statistic of every head of one layer; `weights` (H, n, n) may sum to less than 1 (learned sinks)."""
    heads, n, _ = weights.shape
    turn, speaker, scaffold = np.asarray(window.turn), np.asarray(window.speaker), np.asarray(window.scaffold)
    turns = sorted({int(t) for t in turn if t >= 0})
    values: dict[str, list[list[float]]] = {name: [[] for _ in range(heads)] for name in NAMES}
    rows: dict[str, list[list[int]]] = {name: [[] for _ in range(heads)] for name in NAMES}
    flow = np.zeros((heads, len(turns), len(turns) + 1))
    j = np.arange(n)
    for h in range(heads):
        mean_at = np.zeros(n)
        pairs = np.zeros(n)
        for i in range(n):
            total = weights[h, i].sum()
            for key in j[seen[i]]:
                mean_at[abs(i - key)] += weights[h, i, key] / total
                pairs[abs(i - key)] += 1
        mean_at /= np.maximum(pairs, 1)

        for i in range(n):

            def put(name: str, value: float, head: int = h, row: int = i) -> None:
                values[name][head].append(float(value))
                rows[name][head].append(row)

            total = weights[h, i].sum()
            a = weights[h, i] / total
            visible = j[seen[i]]
            put("null_mass", 1 - total)
            put("distance", (a * abs(i - j)).sum())
            put("distance_spread", np.sqrt(max(0.0, (a * (i - j) ** 2.0).sum() - (a * (i - j)).sum() ** 2)))
            entropy = -sum(x * np.log(x) for x in a if x > 0)
            put("entropy", entropy)
            if len(visible) > 1:
                put("dispersion", entropy / np.log(len(visible)))
            if i >= 1:
                put("sink", a[0])
            put("scaffold", a[scaffold].sum())
            keys = visible[visible != 0]
            rest = a[keys].sum()
            if len(keys) and rest < 1e-6:
                put("left_out", 1)
            elif len(keys):
                r = a[keys] / rest
                spans = abs(i - keys)
                distance_rest = (r * spans).sum()
                entropy_rest = -sum(x * np.log(x) for x in r if x > 0)
                put("distance_without_sink", distance_rest)
                put("entropy_without_sink", entropy_rest)
                if len(keys) >= 2:
                    product = distance_rest / spans.max() * entropy_rest / np.log(len(keys))
                    put("interdependency", product / (spans.mean() / spans.max()))
            if turn[i] < 0:
                continue
            at = turns.index(int(turn[i]))
            flow[h, at, 0] += a[turn < 0].sum()
            for column, other in enumerate(turns):
                flow[h, at, 1 + column] += a[turn == other].sum()
            if turn[i] == turns[0]:
                continue
            content = (turn >= 0) & seen[i]
            for suffix, mass in (("", a), ("_uniform", np.ones(n)), ("_local", mean_at[abs(i - j)])):
                on_content = mass[content].sum()
                put(f"cross_turn{suffix}", mass[content & (turn != turn[i])].sum() / on_content)
                put(f"cross_speaker{suffix}", mass[content & (speaker != speaker[i])].sum() / on_content)
                own = content & (speaker == speaker[i]) & (turn != turn[i])
                put(f"own_history{suffix}", mass[own].sum() / on_content)
            steps = sum(a[turn == other].sum() * abs(int(turn[i]) - other) for other in turns)
            put("turn_distance", steps / a[content].sum())
    for column, other in enumerate(turns):
        flow[:, column] /= (turn == other).sum()
    real = weights / weights.sum(-1, keepdims=True)
    seen_by = np.maximum(seen.sum(0), 1)
    uniform = (seen / np.maximum(seen.sum(1), 1)[:, None]).sum(0) / seen_by
    return OracleRows(values, flow, real.sum(1) / seen_by, uniform, rows)


def heads_of(windows: list[list[OracleRows]]) -> dict[str, Floats]:
    """Metrics of a document by layer and head; `windows` holds a list of layers for each window. name -> (L, H)"""

    def mean(name: str, layer: int, head: int) -> float:
        rows = [value for window in windows for value in window[layer].values[name][head]]
        return float(np.mean(rows)) if rows else float("nan")

    layers, heads = len(windows[0]), len(windows[0][0].values["distance"])
    result = {
        name: np.array([[mean(name, layer, head) for head in range(heads)] for layer in range(layers)])
        for name in windows[0][0].values
    }
    for share in SHARES:
        for suffix, kind in (("_lift", "uniform"), ("_lift_local", "local")):
            base = result.pop(f"{share}_{kind}")
            result[share + suffix] = np.divide(
                result[share], base, out=np.full(base.shape, np.nan), where=np.nan_to_num(base) > 0
            )
    result.pop("left_out")
    return result
