"""The Triton kernel gives the oracle's row statistics: under Triton's interpreter on any machine, and on a GPU."""

from typing import Any

import pytest
import torch

pytest.importorskip("triton", reason="triton is not installed here (pip install 'hearken[cuda]')", exc_type=ImportError)

from kernel_cases import Case, assert_equals_dense, case

from attention.kernels import RowRequest, fused

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
SMALL = (16, 16)


def attend(*tensors: torch.Tensor, bias: None, **arguments: Any) -> Any:
    assert bias is None
    out, rows = fused.attend(*(tensor.to(DEVICE) for tensor in tensors), block=SMALL, **arguments)
    for name in fused.KINDS:
        setattr(rows, name, getattr(rows, name).cpu())
    return out.cpu(), rows


def check(given: Case) -> None:
    assert_equals_dense(attend, given, request=RowRequest())


@pytest.mark.parametrize("kind", ["causal", "bidirectional", "sliding", "local", "blind"])
@pytest.mark.parametrize("left", [False, True])
def test_every_mask_of_runs_on_either_padding_side(kind: str, left: bool) -> None:
    check(case(kind=kind, left=left))


@pytest.mark.parametrize(
    "changes",
    [
        {"softcap": 2.0, "strength": 4.0},
        {"sinks": True},
        {"shared": 1},
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
    check(case(**changes))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_models_still_get_fp32_statistics(dtype: torch.dtype) -> None:
    check(case(dtype=dtype, lengths=(40, 9)))


def test_a_heavy_sink_leaves_the_rest_exact() -> None:
    given = case(lengths=(70,), heads=2, shared=1)
    given.key[:, :, 0] = 6.0
    given.query[:] = given.query.abs()
    check(given)


def test_what_it_does_not_give_it_refuses() -> None:
    given = case()
    given.arguments.pop("bias")
    with pytest.raises(ValueError, match="rows alone"):
        fused.attend(given.query, given.key, given.value, request=RowRequest(received=True), **given.arguments)
