"""The engine by itself, beside which the service is measured: documents a second in batches, and one bare forward."""

import time
from statistics import median

from attention.measure.analysis import measure_passes
from attention.measure.pass_memory import CPU_TOKENS
from attention.model.model import Model
from benchmarks.networks import Trio, forward, minilm
from benchmarks.service.conversations import rendered

BATCH = 21
"""Conversations in a pass of 4,096 tokens, which is what a worker makes of them on a CPU."""


class Engine:
    """The packaged encoder in this process, with every processor."""

    def __init__(self) -> None:
        self.trio: Trio = minilm()
        self.model: Model = self.trio.model
        self._batch = [rendered(self.model, seed) for seed in range(BATCH)]
        self.rate(1.0)

    def rate(self, seconds: float) -> float:
        """Documents a second, measured in batches for about so long: passes and what is made of them."""
        begun, done = time.perf_counter(), 0
        while (spent := time.perf_counter() - begun) < seconds or not done:
            measure_passes(self.model, self._batch, token_budget=CPU_TOKENS).measurements()
            done += BATCH
        return done / spent

    def forward_ms(self, times: int = 25) -> float:
        """Milliseconds of the network's own forward over one conversation, the median of so many."""
        windows = list(self._batch[0].windows)
        spent = []
        for _ in range(times):
            begun = time.perf_counter()
            forward(self.trio.plain, windows)
            spent.append((time.perf_counter() - begun) * 1000)
        return median(spent)
