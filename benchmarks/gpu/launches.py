"""What each layer of a pass launches and copies, and where the host waits for the device."""

import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import profiler
from torch.profiler import ProfilerActivity

from attention.measure.capture import capture
from attention.model.model import Model
from attention.text.documents import Window
from benchmarks.gpu.device import ON_GPU, Clock, wait, window
from benchmarks.gpu.forward import SHORT, SHORT_TURNS
from benchmarks.gpu.networks import minilm, plain_forward
from benchmarks.gpu.table import Table

FEW, MANY = 2, 6
"""Layers of the two networks whose difference is what a layer costs."""
KINDS = ("launches", "copies and fills", "waits")


def measure(table: Table, clock: Clock) -> None:
    del clock
    if not ON_GPU:
        table.add("launches", "MiniLM", "not run: needs a GPU")
        return
    cuda: Any = torch.cuda
    torch_profiler: Any = profiler
    talk = [window(SHORT, SHORT_TURNS, seed=seed) for seed in range(8)]
    counts: dict[tuple[str, int], tuple[int, int, int]] = {}
    for layers in (FEW, MANY):
        model = minilm(layers)
        calls: dict[str, Any] = {
            "plain": partial(plain_forward, model, talk),
            "captured": partial(_captured, model, talk),
        }
        for name, call in calls.items():
            call()
            wait()
            with torch_profiler.profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
                call()
                wait()
            events = seen.key_averages()
            launched = sum(e.count for e in events if e.key.startswith(("cudaLaunchKernel", "cuLaunchKernel")))
            copied = sum(e.count for e in events if e.key.startswith(("cudaMemcpyAsync", "cudaMemsetAsync")))
            cuda.set_sync_debug_mode("warn")
            with warnings.catch_warnings(record=True) as waits:
                warnings.simplefilter("always")
                call()
            cuda.set_sync_debug_mode("default")
            counts[name, layers] = (launched, copied, sum("synchroniz" in str(each.message) for each in waits))
    for name in ("plain", "captured"):
        few, many = counts[name, FEW], counts[name, MANY]
        layer = [(m - f) / (MANY - FEW) for f, m in zip(few, many, strict=True)]
        besides = [f - FEW * each for f, each in zip(few, layer, strict=True)]
        table.add(
            "launches",
            f"MiniLM, 8 of {SHORT} tokens, {name}",
            "a layer "
            + ", ".join(f"{each:.1f} {kind}" for each, kind in zip(layer, KINDS, strict=True))
            + "; a pass besides "
            + ", ".join(f"{each:.0f} {kind}" for each, kind in zip(besides, KINDS, strict=True)),
        )


def _captured(model: Model, windows: Sequence[Window]) -> None:
    list(capture(model, windows))
