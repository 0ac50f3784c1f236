"""The Triton kernel gives the oracle's row statistics: under Triton's interpreter on any machine, and on a GPU."""

from dataclasses import fields, replace
from typing import Any

import pytest
import torch

pytest.importorskip("triton", reason="triton is not installed here (pip install 'hearken[cuda]')", exc_type=ImportError)

from kernel_cases import EVERYTHING, assert_equals_dense, case

from attention.kernels import AttentionCall, RowRequest, RowStatistics, fused, fused_sums

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
SMALL = (16, 16)


def small(**changes: Any) -> AttentionCall:
    """A case of few heads: the interpreter takes its time over each."""
    return case(**({"heads": 2, "shared": 1} | changes))


def attend(call: AttentionCall) -> Any:
    tensors = {name: getattr(call, name) for name in ("query", "key", "value", "sinks")}
    there = {name: tensor.to(DEVICE) for name, tensor in tensors.items() if tensor is not None}
    out, rows = fused.attend(replace(call, **there), block=SMALL)
    for field in fields(RowStatistics):
        found = getattr(rows, field.name)
        if found is not None:
            setattr(rows, field.name, [each.cpu() for each in found] if isinstance(found, list) else found.cpu())
    return out.cpu(), rows


@pytest.mark.parametrize("kind", ["causal", "bidirectional", "sliding", "local", "blind"])
@pytest.mark.parametrize("left", [False, True])
def test_every_mask_of_runs_on_either_padding_side(kind: str, left: bool) -> None:
    assert_equals_dense(attend, small(kind=kind, left=left))


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
        {"strength": 300.0, "width": 16, "on_grid": True},
        {"lengths": (97,), "heads": 2, "shared": 1, "width": 64, "value_width": 64},
    ],
    ids=str,
)
def test_every_form_of_attention(changes: dict[str, Any]) -> None:
    assert_equals_dense(attend, small(**changes))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_models_still_get_fp32_statistics(dtype: torch.dtype) -> None:
    assert_equals_dense(attend, small(dtype=dtype, lengths=(40, 9)))


def test_a_heavy_sink_leaves_the_rest_exact() -> None:
    given = small(lengths=(70,))
    given.key[:, :, 0] = 6.0
    given.query[:] = given.query.abs()
    assert_equals_dense(attend, given)


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
    assert_equals_dense(attend, small(lengths=(45, 20)), request=request_for)


def test_a_turn_in_several_runs_has_one_row_of_flow() -> None:
    given = small(lengths=(40,), turns=3)
    (group,) = given.groups
    group.column[3::5] = 0
    assert_equals_dense(attend, given)


def test_masses_of_turns_are_taken_in_parts_where_they_would_be_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused_sums, "MASSES", 1)
    assert_equals_dense(attend, small(lengths=(40, 21), turns=6))


def test_the_same_input_gives_the_same_bytes() -> None:
    given = replace(small(lengths=(20, 9)), request=EVERYTHING)
    one, other = (attend(given)[1] for _ in range(2))
    for field in fields(RowStatistics):
        for f, g in zip(getattr(one, field.name), getattr(other, field.name), strict=True):
            assert torch.equal(f, g), field.name


@pytest.mark.parametrize("changes", [{"kind": "holes"}, {"bias": True}], ids=str)
def test_masks_with_holes_and_biases_are_refused(changes: dict[str, Any]) -> None:
    given = replace(small(**changes), request=RowRequest())
    with pytest.raises(ValueError, match="one run of keys, and no bias"):
        fused.attend(given)
