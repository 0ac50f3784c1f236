"""What uniform attention would give over the same visible keys.

Where each query's keys are one run, everything comes from running counts in time linear in the tokens.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from attention.kernels.groups import KeyGroups
from attention.kernels.visibility import VisibleKeys

Floats = NDArray[np.float64]
Number = TypeVar("Number", np.int64, np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Uniform:
    """Expectations under uniform attention of one sequence of n tokens under one mask; arrays are (n,).

    `visible`: keys a query sees. `visible_rest`: without key 0. `distance_rest`: mean |i-j| over those. `seen_by`:
    queries that see a key. `received`: sum over queries of uniform weights on a key. `pairs`: (query, visible key)
    pairs at each distance. `later_turn_rows`: content of a turn after the sequence's first, the rows that conversation
    shares count.
    `cross_turn`, `cross_speaker`, `own_history`: the shares of the visible content, 0 in other rows.
    """

    visible: NDArray[np.int64]
    visible_rest: NDArray[np.int64]
    distance_rest: Floats
    seen_by: NDArray[np.int64]
    received: Floats
    pairs: NDArray[np.int64]
    later_turn_rows: NDArray[np.bool_]
    cross_turn: Floats
    cross_speaker: Floats
    own_history: Floats


def uniform(keys: VisibleKeys, groups: KeyGroups) -> Uniform:
    """Expectations under uniform attention for one sequence."""
    n = keys.tokens
    place = np.arange(n, dtype=np.int64)
    own = groups.query_turn
    later_turn_rows = (own >= 0) & (own != (own[own >= 0][0] if (own >= 0).any() else 0))
    if keys.seen is None:
        first, last = keys.first.astype(np.int64), keys.last.astype(np.int64)
        visible = last - first
        first_rest = np.where(visible > 0, np.maximum(first, 1), last)
        visible_rest = last - first_rest
        distance_sum = _distance_sum(place, first_rest, last)
        seen_by = _spread(first, last, np.ones(n, np.int64))
        weight = np.divide(1.0, visible, out=np.zeros(n), where=visible > 0)
        received = _spread(first, last, weight)
        pairs = _pairs(place, first, last)
        counts = _counts_in_runs(groups, first, last)
    else:
        seen = keys.seen
        visible = seen.sum(1, dtype=np.int64)
        visible_rest = seen[:, 1:].sum(1, dtype=np.int64)
        spans = np.abs(place[:, None] - place)
        distance_sum = (seen * spans)[:, 1:].sum(1)
        seen_by = seen.sum(0, dtype=np.int64)
        weight = np.divide(1.0, visible, out=np.zeros(n), where=visible > 0)
        received = weight @ seen
        pairs = np.bincount(spans[seen], minlength=n).astype(np.int64)
        counts = _counts_in_matrix(groups, seen)
    distance_rest = np.divide(distance_sum, visible_rest, out=np.zeros(n), where=visible_rest > 0)
    content, same_turn, same_speaker = counts
    share = np.divide(1.0, content, out=np.zeros(n), where=later_turn_rows & (content > 0))
    return Uniform(
        visible=visible,
        visible_rest=visible_rest,
        distance_rest=distance_rest,
        seen_by=seen_by,
        received=received,
        pairs=pairs,
        later_turn_rows=later_turn_rows,
        cross_turn=np.asarray((content - same_turn) * share),
        cross_speaker=np.asarray((content - same_speaker) * share),
        own_history=np.asarray((same_speaker - same_turn) * share),
    )


def _distance_sum(place: NDArray[np.int64], first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.int64]:
    """sum of |i-j| over first <= j < last, 0 where there is no such j."""

    def triangle(m: NDArray[np.int64]) -> NDArray[np.int64]:
        m = np.maximum(m, 0)
        return np.asarray(m * (m + 1) // 2)

    before = triangle(place - first) - triangle(place - last)  # keys j < i: distances i - last + 1 .. i - first
    after = triangle(last - 1 - place) - triangle(first - 1 - place)
    return np.asarray(np.where(last > first, before + after, 0))


def _spread(first: NDArray[np.int64], last: NDArray[np.int64], weight: NDArray[Number]) -> NDArray[Number]:
    """For each key the sum of `weight` over the queries that see it."""
    edges = np.zeros(len(first) + 1, weight.dtype)
    np.add.at(edges, first, weight)
    np.subtract.at(edges, last, weight)
    return np.asarray(np.cumsum(edges)[:-1])


def _pairs(place: NDArray[np.int64], first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.int64]:
    """Visible (query, key) pairs at each distance 0..n-1."""
    n = len(place)
    edges = np.zeros(n + 2, np.int64)
    sees = last > first
    # Keys up to the query: distances from i - min(last - 1, i) to i - first.
    left = sees & (first <= place)
    np.add.at(edges, place[left] - np.minimum(last[left] - 1, place[left]), 1)
    np.subtract.at(edges, place[left] - first[left] + 1, 1)
    # Keys after the query: distances from max(first, i + 1) - i to last - 1 - i.
    right = sees & (last - 1 > place)
    np.add.at(edges, np.maximum(first[right], place[right] + 1) - place[right], 1)
    np.subtract.at(edges, last[right] - place[right], 1)
    return np.cumsum(edges)[:n]


Counts = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def _counts_in_runs(groups: KeyGroups, first: NDArray[np.int64], last: NDArray[np.int64]) -> Counts:
    """Visible content keys of each query: of any turn, of its own turn, of its own speaker's turns. 0 in no turn."""
    n = len(first)
    own = groups.query_turn

    def between(marks: NDArray[np.bool_]) -> NDArray[np.int64]:
        total = np.concatenate([[0], np.cumsum(marks)]).astype(np.int64)
        return np.asarray(total[last] - total[first])

    content = np.where(own >= 0, between(own >= 0), 0)
    same_turn = np.zeros(n, np.int64)
    same_speaker = np.zeros(n, np.int64)
    if groups.turns == 0:
        return content, same_turn, same_speaker
    # Within one turn (or speaker) the content keys before a place are counted by their order in it.
    for labels, target in (
        (own, same_turn),
        (np.where(own >= 0, groups.turn_speaker[np.maximum(own, 0)], -1), same_speaker),
    ):
        order = np.argsort(labels, kind="stable")
        ordered = labels[order]
        labelled = labels >= 0
        key = labels.astype(np.int64) * (n + 1)
        places = ordered.astype(np.int64) * (n + 1) + order  # sorted, as places ascend within a label
        upper = np.searchsorted(places, key[labelled] + last[labelled])
        lower = np.searchsorted(places, key[labelled] + first[labelled])
        target[labelled] = upper - lower
    return content, same_turn, same_speaker


def _counts_in_matrix(groups: KeyGroups, seen: NDArray[np.bool_]) -> Counts:
    own = groups.query_turn
    in_turn = own >= 0
    speaker = np.where(in_turn, groups.turn_speaker[np.maximum(own, 0)], -1) if groups.turns else np.full(len(own), -1)
    both = seen & in_turn[:, None] & in_turn
    return (
        both.sum(1, dtype=np.int64),
        (both & (own[:, None] == own)).sum(1, dtype=np.int64),
        (both & (speaker[:, None] == speaker)).sum(1, dtype=np.int64),
    )
