"""Peak memory of one forward pass, each in a process of its own. Run as `python -m benchmarks.memory WAY TOKENS`."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

from attention.text.documents import Window

SAMPLE_SECONDS = 0.002


def peak_megabytes(way: str, tokens: int, layers: int) -> tuple[float, float] | None:
    """Peak resident memory in MB over that of the loaded network, and the network's; None where memory ran out."""
    arguments = [sys.executable, "-m", "benchmarks.memory", way, str(tokens), str(layers)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return None
    found = json.loads(done.stdout.splitlines()[-1])
    return found["peak"] - found["loaded"], found["loaded"]


class Peak:
    """The largest resident memory while it is watched, in MB, sampled by a thread of its own."""

    def __init__(self) -> None:
        import psutil

        self._process = psutil.Process()
        self._done = threading.Event()
        self.before = self.peak = self._now()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def _now(self) -> float:
        return float(self._process.memory_info().rss) / 2**20

    def _watch(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            self.peak = max(self.peak, self._now())

    def __enter__(self) -> "Peak":
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watcher.join()


def main(way: str, tokens: int, layers: int) -> None:
    from attention.measure.capture import CaptureOptions, capture
    from benchmarks.networks import forward, llama, words
    from benchmarks.peers import maps_then_metrics, transformer_lens

    trio = llama(layers)
    short = [words(16, trio.model.facts.vocabulary)]
    windows = [words(tokens, trio.model.facts.vocabulary)]
    ways: dict[str, Callable[[Sequence[Window]], object]] = {
        "plain": lambda given: forward(trio.plain, given),
        "captured": lambda given: capture(trio.model, given, CaptureOptions()),
        "maps": lambda given: maps_then_metrics(trio, given),
    }
    if way == "lens":
        ways[way] = transformer_lens(trio, tokens)
    ways[way](short)
    with Peak() as memory:
        ways[way](windows)
    print(json.dumps({"loaded": memory.before, "peak": memory.peak}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
