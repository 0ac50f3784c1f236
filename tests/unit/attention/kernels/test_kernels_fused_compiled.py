"""The Triton kernels compile for GPUs, wherever the tests run: the interpreter would take what a GPU does not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="triton is not installed here (pip install 'hearken[cuda]')", exc_type=ImportError)

SHARED_MEMORY = 96 * 1024
"""Bytes that a block of threads may use on any GPU since 2020."""

PROGRAM = """
import json, sys
import torch, triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from attention.kernels import fused, fused_sums

KINDS = {"Q": "x", "K": "x", "V": "x", "Out": "x", "Rows": "fp32", "Sinks": "fp32", "Maximum": "fp32", "Total": "fp32",
         "Sums": "fp32", "scaling": "fp32", "softcap": "fp32"}

def shared_memory(kernel, dtype, capability, options, **constants):
    types = {}
    for name in kernel.arg_names:
        kind = KINDS.get(name, "i32").replace("x", dtype)
        types[name] = "constexpr" if name in constants else ("*" if name[0].isupper() else "") + kind
    places = {(kernel.arg_names.index(name),): value for name, value in constants.items()}
    compiled = triton.compile(
        ASTSource(kernel, types, constexprs=places), target=GPUTarget("cuda", capability, 32), options=options
    )
    return compiled.metadata.shared

found = {}
width, dtype, capability = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
query = torch.empty(1, 1, 1, width, dtype={"bf16": torch.bfloat16, "fp32": torch.float32}[dtype])
rows, keys = fused.block_of(width, query.dtype)
tile = fused_sums.tile_of(query)
same = {"D": width, "WIDE": width, "HAS_SOFTCAP": True, "INTERPRETED": False}
sweep = {"num_warps": 4, "num_stages": 1 if dtype == "fp32" else 3}
again = {"num_warps": 4, "num_stages": 1}
found["sweep"] = shared_memory(
    fused._sweep, dtype, capability, sweep, DV=width, WIDE_V=width, M=rows, N=keys, HAS_SINKS=True, SINK_MASS=1e-6,
    HAS_TURNS=True, KEEPS_TOTALS=True, **fused.row_places(True), **same)
found["columns"] = shared_memory(fused_sums._columns, dtype, capability, again, M=tile, N=tile, **same)
found["diagonals"] = shared_memory(fused_sums._diagonals, dtype, capability, again, N=tile, BOTH_WAYS=True, **same)
print(json.dumps(found))
"""


@pytest.mark.parametrize(
    ("width", "dtype", "capability"),
    [pytest.param(128, "bf16", 80, marks=pytest.mark.slow), (64, "bf16", 90)],
)
def test_every_kernel_compiles_and_fits_into_shared_memory(
    width: int, dtype: str, capability: int, tmp_path: Path
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    made = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(width), dtype, str(capability)],
        env=environment | {"TRITON_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert made.returncode == 0, made.stderr[-2000:]
    found = json.loads(made.stdout)
    assert found.keys() == {"sweep", "columns", "diagonals"}
    assert max(found.values()) <= SHARED_MEMORY
