"""The device that is measured, how time is taken on it, and random inputs of the shapes that networks have."""

import platform
import time
from collections.abc import Callable
from itertools import pairwise
from statistics import median

import numpy as np
import torch
from torch import Tensor

from attention.kernels import kernel_name
from attention.text.documents import Window

ON_GPU = torch.cuda.is_available()
DEVICE = torch.device("cuda" if ON_GPU else "cpu")
DTYPE = torch.bfloat16 if ON_GPU else torch.float32
TURN_TOKENS = 128
"""Tokens of a turn of long conversations."""
LABEL_TOKENS = 3
"""Tokens of scaffold that each turn begins with."""


class Clock:
    """Seconds since it was made, and whether there is time for another part."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._begun = time.perf_counter()

    def is_over(self, share: float = 1.0) -> bool:
        """Whether that share of the time has gone."""
        return time.perf_counter() - self._begun > share * self._limit


def card() -> str:
    """The device and the versions that decide its speed."""
    name = torch.cuda.get_device_name() if ON_GPU else f"CPU {platform.machine()}"
    versions = [f"torch {torch.__version__}"]
    try:
        import triton

        versions.append(f"triton {triton.__version__}")
    except ImportError:
        versions.append("no triton")
    return f"{name}, {', '.join(versions)}, kernel {kernel_name(DEVICE)}, Python {platform.python_version()}"


def wait() -> None:
    """Until the device has done everything that was queued."""
    if ON_GPU:
        torch.cuda.synchronize()


def paired_seconds(calls: list[Callable[[], object]], *, rounds: int) -> list[float]:
    """Median seconds of each call, the host's work included, timed in turn after one warm-up each."""
    for call in calls:
        call()
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for each, call in zip(times, calls, strict=True):
            wait()
            begun = time.perf_counter()
            call()
            wait()
            each.append(time.perf_counter() - begun)
    return [median(each) for each in times]


def queued_seconds(call: Callable[[], object]) -> float:
    """Seconds of a call when many stand in the device's queue, so that launching costs only where it is slower."""
    call()
    wait()
    begun = time.perf_counter()
    call()
    wait()
    once = time.perf_counter() - begun
    if not ON_GPU:
        return once
    count = max(3, min(40, int(0.04 / once)))
    found = []
    for _ in range(3):
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        wait()
        start.record()
        for _ in range(count):
            call()
        stop.record()
        wait()
        found.append(float(start.elapsed_time(stop)) / count / 1000)
    return median(found)


def heads(
    sequences: int, count: int, shared: int, tokens: int, width: int, dtype: torch.dtype, strength: float = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Random query (B, count, N, D), key and value (B, shared, N, D), laid out as networks lay them out."""
    generator = torch.Generator(device=DEVICE).manual_seed(0)

    def made(heads_of: int, by: float) -> Tensor:
        normal = torch.randn(sequences, tokens, heads_of, width, device=DEVICE, generator=generator)
        return (normal * by).to(dtype).transpose(1, 2)

    return made(count, strength), made(shared, 1.0), made(shared, 1.0)


def window(tokens: int, turns: int = 0, *, seed: int = 0, speakers: int = 2) -> Window:
    """Random tokens, as one text or as a conversation of turns of equal length, each with a label before it."""
    turn = np.full(tokens, -1, np.int32)
    special = np.zeros(tokens, np.bool_)
    special[0] = True
    if turns:
        edges = np.linspace(0, tokens, turns + 1).astype(int)
        for index, (low, high) in enumerate(pairwise(edges)):
            turn[low + LABEL_TOKENS : high] = index
    return Window(
        ids=np.random.default_rng(seed).integers(10, 900, tokens),
        turn=turn,
        speaker=np.where(turn >= 0, turn % speakers, -1).astype(np.int32),
        scaffold=(turn < 0) if turns else special,
        special=special,
    )
