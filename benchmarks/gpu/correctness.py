"""Every statistic against the float64 oracle on the same queries and keys; the same bytes twice, and alone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import torch
from torch import Tensor

from attention.hook.batch import Batch
from attention.kernels import AttentionCall, Layout, Reach, RowRequest, RowStatistics, attend, dense
from attention.kernels.rows import EVERY_ROW, TURN_ROWS, as_float
from attention.kernels.visibility import BIDIRECTIONAL, CAUSAL
from benchmarks.gpu.device import ON_GPU, Clock, heads, window
from benchmarks.gpu.table import Table

FLOOR = 0.01
"""Errors are relative to the larger of the value and this."""
BOUNDS = {"entropy": 5e-5, "entropy_rest": 1e-4}
BOUND = 1e-5
"""Of every other statistic; of the variance's square root, as it is used."""
EVERYTHING = RowRequest(received=True, turns=True, flow=True)
KINDS = {"causal": CAUSAL, "bidirectional": BIDIRECTIONAL, "sliding": Reach(200, 0), "local": Reach(64, 64)}


def _cases() -> Iterator[tuple[torch.dtype, int, str, float, dict[str, object]]]:
    """Data type, head width, mask, how sharp the attention is, and what else differs."""
    half, bf16, single = torch.float16, torch.bfloat16, torch.float32
    yield bf16, 128, "causal", 1.0, {}
    yield bf16, 128, "causal", 6.0, {}
    yield bf16, 64, "causal", 2.0, {"softcap": 20.0}
    yield bf16, 64, "sliding", 2.0, {"sinks": True}
    yield half, 64, "bidirectional", 2.0, {}
    yield half, 32, "bidirectional", 2.0, {}
    yield bf16, 32, "local", 3.0, {}
    yield single, 64, "sliding", 2.0, {}
    yield single, 32, "bidirectional", 2.0, {}
    for width in (16, 80, 96, 192, 256):
        yield bf16, width, "causal", 1.5, {}
    for width in (128, 256):
        yield single, width, "causal", 1.5, {}


def measure(table: Table, clock: Clock) -> None:
    """On a GPU each case in a process of its own, side by side: most of their time is compilation."""
    cases = list(_cases())
    if not ON_GPU:
        for case in cases:
            table.add("correctness", _name(*case), _against_oracle(*case))
        return
    if clock.is_over(0.5):
        table.add("correctness", "all", "not run: no time left")
        return
    with ThreadPoolExecutor(max_workers=min(len(cases), os.cpu_count() or 1)) as pool:
        for case, found in zip(cases, pool.map(_in_a_process, range(len(cases))), strict=True):
            table.add("correctness", _name(*case), found)


def _name(dtype: torch.dtype, width: int, kind: str, strength: float, more: dict[str, object]) -> str:
    return f"{str(dtype)[6:]} {width} wide {kind} x{strength:g}{''.join(f' {name}' for name in more)}"


def _in_a_process(place: int) -> str:
    command = [sys.executable, "-m", "benchmarks.gpu.correctness", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else f"FAILED: {done.stderr.strip().splitlines()[-1:]}"[:300]


def _against_oracle(dtype: torch.dtype, width: int, kind: str, strength: float, more: dict[str, object]) -> str:
    tokens = 700 if ON_GPU else 160
    query, key, value = heads(2, 4, 2, tokens, width, dtype, strength)
    batch = Batch.of([window(tokens, 20, speakers=3), window(tokens // 2 + 3, 11, speakers=3)])
    call = AttentionCall(
        query,
        key,
        value,
        layout=Layout(batch.groups, KINDS[kind]),
        request=EVERYTHING,
        scaling=width**-0.5,
        softcap=more.get("softcap"),  # type: ignore[arg-type]
        sinks=torch.randn(4, device=query.device) if more.get("sinks") else None,
    )
    output, rows = _attended(call)
    expected_output, expected = dense.attend(call)
    found, wanted = _statistics(rows), _statistics(expected)
    errors = {
        name: float(((found[name] - exact).abs() / exact.abs().clamp(min=FLOOR)).max())
        for name, exact in wanted.items()
    }
    above = {name: f"{error:.1e}" for name, error in errors.items() if not error < BOUNDS.get(name, BOUND)}
    real = [(row, slice(0, length)) for row, length in enumerate(batch.groups.length.tolist())]
    apart = max(float((output[place].double() - expected_output[place].double()).abs().max()) for place in real)
    _, again = _attended(call)
    shorter = tokens // 2 + 3
    single = Batch.of([window(shorter, 11, speakers=3)])
    alone = replace(
        call,
        query=query[1:, :, :shorter],
        key=key[1:, :, :shorter],
        value=value[1:, :, :shorter],
        layout=Layout(single.groups, KINDS[kind]),
    )
    _, by_itself = _attended(alone)
    differ = [
        name
        for name, exact in _statistics(by_itself).items()
        if name != "flow" and not torch.equal(found[name][1:, :, :shorter], exact)
    ]
    flow = _statistics(by_itself)["flow"]
    if not torch.equal(found["flow"][-len(flow) :], flow):
        differ.append("flow")
    twice = all(torch.equal(found[name], values) for name, values in _statistics(again).items())
    return (
        f"worst {max(errors.values()):.1e} ({max(errors, key=errors.__getitem__)})"
        f"{f', ABOVE THE BOUND: {above}' if above else ''}, output {apart:.1e}, "
        f"{'same bytes twice' if twice else 'NOT THE SAME TWICE'}, "
        f"{'and alone' if not differ else f'ALONE OTHER BYTES: {differ}'}"
    )


def _attended(call: AttentionCall) -> tuple[Tensor, RowStatistics]:
    rows = call.empty_rows()
    return attend(call, rows), rows


def _statistics(rows: RowStatistics) -> dict[str, Tensor]:
    found = dict(zip(EVERY_ROW + TURN_ROWS, rows.values.double(), strict=True))
    found["variance"] = found["variance"].clamp(min=0).sqrt()
    for name in ("by_distance", "received", "flow"):
        sums = getattr(rows, name)
        found[name] = as_float(sums)
    return found


if __name__ == "__main__":
    print(_against_oracle(*list(_cases())[int(sys.argv[1])]))
