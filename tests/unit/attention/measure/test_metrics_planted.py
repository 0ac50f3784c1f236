"""Attention that is known by construction gives the analytic value of every metric."""

import numpy as np
import pytest
import torch
from capture_networks import talk_window

from attention.hook.batch import Batch
from attention.kernels import AttentionCall, KeyGroups, Layout, RowRequest, attend, visibility
from attention.measure.metrics import Folded, HeadSums, fold, mean_of_defined
from attention.reductions.reduce import sum_rows
from attention.reductions.summed import SUMMED

HEADS = 2


def measured(query: torch.Tensor, key: torch.Tensor, groups: KeyGroups, *, causal: bool = True) -> Folded:
    """Metrics of one layer whose heads all have the scores `query` @ `key`^T."""
    n = len(groups.column)
    spans = [(0, n)]
    layout = Layout.of((visibility.causal if causal else visibility.bidirectional)(spans), (groups,), n)
    q, k = query.expand(1, HEADS, -1, -1), key.expand(1, HEADS, -1, -1)
    request = RowRequest(turns=groups.turns > 0)
    call = AttentionCall(q, k, k, layout, request, scaling=1.0)
    rows = call.empty_layers(1)
    attend(call, rows.layer(0))
    sums, counts = sum_rows(rows, layout, of_turns=False).heads[0].numpy()
    return fold([HeadSums(sums[:, None, 0], counts[:, None, 0])], turns=groups.turns > 0)


def plain(n: int) -> KeyGroups:
    nothing = np.zeros(0, np.int32)
    return KeyGroups(np.full(n, -1, np.int32), nothing, nothing)


def test_uniform_causal_attention() -> None:
    n = 33
    folded = measured(torch.zeros(n, 4), torch.zeros(n, 4), plain(n))
    i = np.arange(n)
    assert folded.document["distance"] == pytest.approx(np.mean(i / 2))
    assert folded.document["distance_without_sink"] == pytest.approx(np.mean((i[1:] - 1) / 2))
    assert folded.document["distance_spread"] == pytest.approx(np.mean(np.sqrt(((i + 1.0) ** 2 - 1) / 12)), rel=1e-5)
    assert folded.document["entropy"] == pytest.approx(np.mean(np.log(i + 1)))
    assert folded.document["entropy_without_sink"] == pytest.approx(np.mean(np.log(i[1:])))
    assert folded.document["dispersion"] == pytest.approx(1)
    assert folded.document["interdependency"] == pytest.approx(1)
    assert folded.document["sink"] == pytest.approx(np.mean(1 / (i[1:] + 1)))
    assert folded.document["scaffold"] == 0
    assert folded.document["null_mass"] == 0
    assert folded.left_out_rows == 0


def test_uniform_bidirectional_attention() -> None:
    n = 21
    folded = measured(torch.zeros(n, 4), torch.zeros(n, 4), plain(n), causal=False)
    i, j = np.arange(n)[:, None], np.arange(n)
    assert folded.document["distance"] == pytest.approx(np.mean(abs(i - j)))
    assert folded.document["dispersion"] == pytest.approx(1)
    assert folded.document["interdependency"] == pytest.approx(1)
    assert folded.document["sink"] == pytest.approx(1 / n)


@pytest.mark.parametrize("causal", [True, False])
def test_uniform_attention_has_no_preference_in_a_conversation(causal: bool) -> None:
    groups = Batch.of([talk_window((4, 3, 6, 2, 5), speakers=3)]).groups.each[0]
    n = len(groups.column)
    folded = measured(torch.zeros(n, 4), torch.zeros(n, 4), groups, causal=causal)
    for share in ("cross_turn", "cross_speaker", "own_history"):
        assert folded.document[f"{share}_lift"] == pytest.approx(1, rel=1e-6)
        assert folded.document[share] > 0
    assert folded.document["scaffold"] > 0
    if not causal:  # then the mean weight at every distance is the same
        assert folded.document["cross_turn_lift_local"] == pytest.approx(1, rel=1e-6)


def positions(n: int, shift: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries and keys whose scores put all mass on the key `shift` before the query."""
    place = torch.eye(n) * 60.0
    return place.roll(-shift, 1), torch.eye(n)


def test_a_previous_token_head() -> None:
    n = 24
    folded = measured(*positions(n, 1), plain(n))
    assert folded.document["distance"] == pytest.approx((n - 1) / n, abs=1e-5)
    assert folded.document["entropy"] == pytest.approx(0, abs=1e-5)
    assert folded.document["distance_spread"] == pytest.approx(0, abs=1e-4)
    assert folded.document["dispersion"] == pytest.approx(0, abs=1e-5)
    assert folded.document["sink"] == pytest.approx(1 / (n - 1), abs=1e-6)


def test_a_previous_token_head_has_nothing_left_beyond_recency() -> None:
    groups = Batch.of([talk_window((4, 3, 6, 2, 5))]).groups.each[0]
    groups.column[groups.column == 0] = -1  # let turns touch, so that the previous token may be another turn's
    edges = np.maximum.accumulate(np.maximum(groups.column, 1))
    touching = KeyGroups(edges.astype(np.int32), groups.turn_number, groups.turn_speaker)
    folded = measured(*positions(len(edges), 1), touching)
    later = edges > 1
    crossing = (edges[1:] != edges[:-1]).sum()
    assert folded.document["cross_turn"] == pytest.approx(crossing / later.sum(), abs=1e-5)
    assert folded.document["turn_distance"] == pytest.approx(crossing / later.sum(), abs=1e-5)
    assert folded.document["cross_turn_lift"] < 0.5
    # The first token has only itself, so distance 0 keeps 1/n of a token's mean weight.
    assert folded.document["cross_turn_lift_local"] == pytest.approx(1 + 1 / len(edges), abs=1e-5)


def test_a_first_token_head_is_all_sink_and_leaves_no_rest_to_measure() -> None:
    n = 20
    key = torch.zeros(n, 1)
    key[0] = 60.0
    folded = measured(torch.ones(n, 1), key, plain(n))
    assert folded.document["sink"] == pytest.approx(1, abs=1e-6)
    assert folded.document["distance"] == pytest.approx((n - 1) / 2, rel=1e-6)
    assert np.isnan(folded.document["distance_without_sink"])
    assert np.isnan(folded.document["interdependency"])
    assert folded.left_out_rows == HEADS * (n - 1)


def test_a_same_speaker_head_stays_with_its_speaker() -> None:
    groups = Batch.of([talk_window((4, 3, 6, 2, 5), speakers=2)]).groups.each[0]
    turn = groups.query_turn
    speaker = np.where(turn >= 0, groups.turn_speaker[np.maximum(turn, 0)], 2)
    one_hot = torch.nn.functional.one_hot(torch.from_numpy(speaker).long(), 3).float()
    folded = measured(one_hot * 60, one_hot, groups)
    assert folded.document["cross_speaker"] == pytest.approx(0, abs=1e-6)
    assert folded.document["cross_speaker_lift"] == pytest.approx(0, abs=1e-6)
    assert folded.document["own_history"] == pytest.approx(folded.document["cross_turn"], abs=1e-6)
    assert folded.document["own_history_lift"] > 1.5


def test_undefined_values_are_left_out_of_means_and_nan_only_where_nothing_is_defined() -> None:
    values = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan]])
    found = mean_of_defined(values)
    assert found[0] == 2.0
    assert np.isnan(found[1])


def test_windows_weigh_by_their_defined_rows() -> None:
    index = SUMMED.index("entropy")
    shape = (len(SUMMED), 1, 1)
    long, short = HeadSums(np.zeros(shape), np.zeros(shape)), HeadSums(np.zeros(shape), np.zeros(shape))
    long.total[index], long.count[index] = 30.0, 10  # mean 3 of ten rows
    short.total[index], short.count[index] = 10.0, 2  # mean 5 of two rows
    assert fold([long, short], turns=False).document["entropy"] == pytest.approx(40 / 12)
