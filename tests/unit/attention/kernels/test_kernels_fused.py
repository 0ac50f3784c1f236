"""The Triton kernels give the oracle's row statistics: under Triton's interpreter on any machine, and on a GPU."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("triton", reason="triton is not installed here (pip install 'hearken[cuda]')", exc_type=ImportError)

from kernel_cases import EVERYTHING, assert_within_bounds, case, groups_of, rows_of, sums_of

from attention.kernels import AttentionCall, BatchGroups, Layout, Reach, RowRequest, RowStatistics
from attention.kernels.fused.attend import attend as fused_attend
from attention.kernels.visibility import BIDIRECTIONAL, CAUSAL

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def small(**changes: Any) -> AttentionCall:
    """A case of few heads: the interpreter takes its time over each."""
    return case(**({"heads": 2, "shared": 1} | changes))


def attend(call: AttentionCall, rows: RowStatistics) -> torch.Tensor:
    """On the GPU where there is one, with everything brought back."""
    tensors = {name: getattr(call, name) for name in ("query", "key", "value", "sinks")}
    there = {name: tensor.to(DEVICE) for name, tensor in tensors.items() if tensor is not None}
    moved = replace(call, **there)
    found = moved.empty_rows()
    output = fused_attend(moved, found)
    for name in ("values", "by_distance", "received", "flow"):
        target = getattr(rows, name)
        if target is not None:
            target.copy_(getattr(found, name))
    return output.cpu()


@pytest.mark.parametrize("kind", ["causal", "bidirectional", "sliding", "local", "blind"])
@pytest.mark.parametrize("left", [False, True])
def test_every_mask_of_runs_on_either_padding_side(kind: str, left: bool) -> None:
    assert_within_bounds(attend, small(kind=kind, left=left))


@pytest.mark.parametrize(
    "changes",
    [
        {"softcap": 2.0, "strength": 4.0},
        {"sinks": True},
        {"heads": 4, "shared": 2},
        {"heads": 6, "shared": 2, "width": 5, "value_width": 3},
        {"turns": 0},
        {"lengths": (1,)},
        {"strength": 0.0},
        {"strength": 30.0, "width": 16, "on_grid": True},
        {"lengths": (97,), "heads": 2, "shared": 1, "width": 64, "value_width": 64},
    ],
    ids=str,
)
def test_every_form_of_attention(changes: dict[str, Any]) -> None:
    assert_within_bounds(attend, small(**changes))


def test_scores_of_a_thousand_nats_keep_the_precision_that_they_have() -> None:
    assert_within_bounds(attend, small(strength=300.0, width=16, on_grid=True), of_sums=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_models_still_get_fp32_statistics(dtype: torch.dtype) -> None:
    assert_within_bounds(attend, small(dtype=dtype, lengths=(40, 9)))


def test_a_heavy_sink_leaves_the_rest_exact() -> None:
    given = small(lengths=(70,))
    given.key[:, :, 0] = 6.0
    given.query[:] = given.query.abs()
    assert_within_bounds(attend, given)


@pytest.mark.parametrize(
    "request_for",
    [
        RowRequest(),
        RowRequest(received=True),
        RowRequest(turns=True),
        RowRequest(turns=True, flow=True),
        RowRequest(turns=True, flow_heads=True),
    ],
    ids=str,
)
def test_every_part_by_itself(request_for: RowRequest) -> None:
    assert_within_bounds(attend, small(lengths=(45, 20)), request=request_for)


def test_a_turn_in_several_runs_has_one_row_of_flow() -> None:
    given = small(lengths=(40,), turns=3)
    given.layout.groups.column[0, 3::5] = 0
    assert_within_bounds(attend, given)


@pytest.mark.parametrize("turns", [17, 33])
def test_more_turns_than_one_product_takes(turns: int) -> None:
    assert_within_bounds(attend, small(lengths=(70, 23), turns=turns))


def test_turns_that_come_back_after_many_others() -> None:
    given = small(lengths=(64,), turns=32)
    order = np.concatenate([np.arange(32), np.arange(32)[::-1]])
    given.layout.groups.column[0] = 1 + order
    assert_within_bounds(attend, given)


def test_a_text_among_conversations() -> None:
    given = small(lengths=(30, 41, 20), turns=5)
    rng = np.random.default_rng(2)
    groups = [groups_of(30, 5, rng), groups_of(41, 0, rng), groups_of(20, 3, rng)]
    assert_within_bounds(attend, replace(given, layout=Layout.of(given.layout.visible_keys, groups, 41)))


@pytest.mark.parametrize("reach", [CAUSAL, BIDIRECTIONAL, Reach(20, 0), Reach(9, 9)], ids=str)
def test_masks_that_are_known_as_a_reach(reach: Reach) -> None:
    given = small(lengths=(75, 40), turns=6)
    groups = BatchGroups.of([(0, 75), (0, 40)], given.layout.groups.each, 75)
    assert_within_bounds(attend, replace(given, layout=Layout(groups, reach)))


def test_scaffold_all_over_a_text() -> None:
    given = small(lengths=(150, 90), turns=0)
    for row in given.layout.groups.column:
        row[[0, 5, 70, 71, 149]] = 0
    given.layout.groups.column[1, 90:] = -1
    assert_within_bounds(attend, given)


@pytest.mark.parametrize("turns", [0, 20])
def test_the_same_bytes_twice_alone_and_among_others(turns: int) -> None:
    given = replace(small(lengths=(40, 25), turns=turns), request=EVERYTHING)
    one, other = (sums_of(rows_of(attend, given)[1]) for _ in range(2))
    single = {name: getattr(given, name)[1:, :, :25].contiguous() for name in ("query", "key", "value")}
    layout = Layout.of(given.layout.visible_keys[1:], given.layout.groups.each[1:], 25)
    alone = sums_of(rows_of(attend, replace(given, **single, layout=layout))[1])
    for name, values in one.items():
        assert torch.equal(values, other[name]), name
        by_itself = values[len(values) - len(alone[name]) :] if name == "flow" else values[1:, :, :25]
        assert torch.equal(by_itself, alone[name]), name


@pytest.mark.parametrize("changes", [{"kind": "holes"}, {"bias": True}], ids=str)
def test_masks_with_holes_and_biases_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="one run of keys, no bias"):
        rows_of(fused_attend, replace(small(**changes), request=RowRequest()))
