"""The reductions' Triton kernels compile for GPUs, wherever the tests run, and keep what they add up in registers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="triton is not installed here (pip install 'hearken[cuda]')", exc_type=ImportError)

PROGRAM = """
import json, re, subprocess, sys
from pathlib import Path
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from attention.reductions.fused import local_shares, row_sums, segments

TYPES = {"Values": "*fp32", "Local": "*fp32", "Factors": "*fp64", "States": "*bf16", "ByDistance": "*i64",
         "Running": "*fp64"}
OUT = {"_shares": "*fp32"}
TOOL = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"

def resources(kernel, capability, folder, **constants):
    name = kernel.fn.__name__
    types = {}
    for argument in kernel.arg_names:
        kind = OUT.get(name, "*fp64") if argument == "Out" else "*i32" if argument[0].isupper() else "i32"
        types[argument] = "constexpr" if argument in constants else TYPES.get(argument, kind)
    places = {(kernel.arg_names.index(argument),): value for argument, value in constants.items()}
    compiled = triton.compile(ASTSource(kernel, types, constexprs=places), target=GPUTarget("cuda", capability, 32))
    binary = Path(folder) / f"{name}.cubin"
    binary.write_bytes(compiled.asm["cubin"])
    said = subprocess.run([TOOL, "--dump-resource-usage", binary], capture_output=True, text=True, check=True).stdout
    found = {kind: int(number) for kind, number in re.findall(r"(REG|STACK|LOCAL):(\\d+)", said)}
    return found | {"SHARED": compiled.metadata.shared}

capability, folder = int(sys.argv[1]), sys.argv[2]
of_heads = {"KINDS": 21, **row_sums.HEAD_TILE}
local_tile = {"HEADS": local_shares.HEADS, "ROWS": local_shares.ROWS}
state_tile = {"ROWS": segments.ROWS, "WIDTH": segments.WIDTH}
found = {}
for turns in (False, True):
    found[f"head_sums {turns}"] = resources(row_sums._head_sums, capability, folder, HAS_TURNS=turns, **of_heads)
    found[f"turn_sums {turns}"] = resources(
        row_sums._turn_sums, capability, folder, HAS_TURNS=turns, **row_sums.TURN_TILE
    )
found["running_means"] = resources(local_shares._running_means, capability, folder, BLOCK=local_shares.DISTANCES)
found["shares"] = resources(local_shares._shares, capability, folder, **local_tile)
found["segment_sums"] = resources(segments._segment_sums, capability, folder, **state_tile)
print(json.dumps(found))
"""


@pytest.mark.parametrize(
    "capability", [pytest.param(80, marks=pytest.mark.slow), 90, pytest.param(100, marks=pytest.mark.slow)]
)
def test_every_kernel_compiles_without_spilling_registers(capability: int, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    made = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(capability), str(tmp_path)],
        env=environment | {"TRITON_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert made.returncode == 0, made.stderr[-2000:]
    found = json.loads(made.stdout)
    assert len(found) == 7
    for name, used in found.items():
        assert used["STACK"] == used["LOCAL"] == 0, (name, used)
        assert used["REG"] <= 128, (name, used)
        assert used["SHARED"] <= 48 * 1024, (name, used)
