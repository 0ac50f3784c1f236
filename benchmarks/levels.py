"""Capture over plain attention on the CPU, at every level of vector registers that the machine has.

Each level is measured in a process of its own, in which PyTorch and its libraries are held to the same level, so that a
machine with wider registers tells what one with narrower ones would see. Run as `python -m benchmarks.levels`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from benchmarks.table import Row

PLAIN: Final = "plain SDPA forward"
HELD_TO: Final = {
    "avx512": {"ATEN_CPU_CAPABILITY": "avx512"},
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "DNNL_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    },
}
"""What holds PyTorch's own kernels, oneDNN's and MKL's to a level."""
TEXT_TARGET: Final = 1.00
TALK_TARGET: Final = 1.05
LONG_TARGET: Final = 1.10
LONG: Final = 16_384
LONG_LAYERS: Final = 4
"""Layers of the network that reads `LONG` tokens, where thirty would take minutes a pass: the ratio is a layer's."""


def levels() -> list[str]:
    """The levels that are built and that the processor has, best first."""
    from attention.kernels import compiled

    return [level for level in compiled.builds() if level in HELD_TO]


def rows_at(level: str, *, quick: bool) -> Iterator[Row]:
    """The cases of one level, as they come."""
    arguments = [sys.executable, "-m", "benchmarks.levels", level, *(["--quick"] if quick else [])]
    environment = os.environ | HELD_TO[level]
    with subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):
                yield Row(**json.loads(line))
    if process.returncode:
        yield Row(f"{level}", PLAIN, None, "times", f"the process ended with {process.returncode}")


def _rows(level: str, *, quick: bool) -> Iterator[Row]:
    from benchmarks.networks import Trio, llama, minilm, talk, words

    def ratio(trio: Trio, windows: list[Any], case: str, rounds: int, target: float) -> Row:
        from attention.measure.capture import capture
        from benchmarks.networks import forward
        from benchmarks.paired import paired, times_of

        found = paired(lambda: list(capture(trio.model, windows)), lambda: forward(trio.plain, windows), rounds=rounds)
        return Row(f"{level}: {trio.name}, {case}", PLAIN, found.ratio, "times", times_of(found), target=target)

    layers = 4 if quick else 30
    trio = llama(layers)
    vocabulary = trio.model.facts.vocabulary
    for tokens in (512, 1024) if quick else (512, 1024, 2048, 4096):
        rounds = 3 if quick else max(5, 12288 // tokens)
        for kind, window, target in (
            ("text", words(tokens, vocabulary), TEXT_TARGET),
            ("turns of 20 tokens", talk(tokens, vocabulary), TALK_TARGET),
        ):
            yield ratio(trio, [window], f"{layers} layers, {tokens:,} tokens, {kind}", rounds, target)
    if not quick:
        trio = llama(LONG_LAYERS)
        window = talk(LONG, vocabulary)
        yield ratio(trio, [window], f"{LONG_LAYERS} layers, {LONG:,} tokens, turns of 20 tokens", 3, LONG_TARGET)
    trio = minilm()
    vocabulary, count = trio.model.facts.vocabulary, 8 if quick else 32
    lengths = np.linspace(64, 512, count).astype(int).tolist()
    rounds = 3 if quick else 7
    texts = [words(tokens, vocabulary, seed=tokens) for tokens in lengths]
    yield ratio(trio, texts, f"{count} texts of 64 to 512 tokens", rounds, TEXT_TARGET)
    talks = [talk(tokens, vocabulary, turn_tokens=17, seed=tokens) for tokens in lengths]
    yield ratio(trio, talks, f"{count} conversations of 64 to 512 tokens", rounds, TALK_TARGET)
    short = [talk(189, vocabulary, turn_tokens=17, seed=seed) for seed in range(count)]
    yield ratio(trio, short, f"{count} conversations of 189 tokens", rounds, LONG_TARGET)


if __name__ == "__main__":
    from attention.kernels import compiled

    name = sys.argv[1]
    assert compiled.best_level() == name, f"this process runs at {compiled.best_level()}, not at {name}"
    for each in _rows(name, quick="--quick" in sys.argv):
        each_as = {key: value for key, value in each.as_dict().items() if key != "met"}
        print(json.dumps(each_as), flush=True)
