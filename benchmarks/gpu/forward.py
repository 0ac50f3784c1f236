"""Whole forward passes, captured over plain: networks of real shapes on long conversations and on many short ones."""

from collections.abc import Callable, Sequence

import torch

from attention.measure.capture import CaptureOptions, capture
from attention.model.model import Model
from attention.text.documents import Window
from benchmarks.gpu.device import ON_GPU, TURN_TOKENS, Clock, paired_seconds, window
from benchmarks.gpu.networks import llama, minilm, plain_forward
from benchmarks.gpu.table import Table

EVERYTHING = CaptureOptions(tokens=True, flow_heads=True, layer_embeddings=True)
SHORT = 189
"""Tokens of a short conversation, of `SHORT_TURNS` turns."""
SHORT_TURNS = 11


def measure_small(table: Table, clock: Clock) -> None:
    """Many short conversations in one pass, as documents a second."""
    sizes = {"MiniLM": (64, 256), "Llama 135M": (64,), "Llama 1B": (64,)}
    for name, counts in sizes.items() if ON_GPU else {"MiniLM": (2,)}.items():
        if clock.is_over(0.6):
            table.add("small", name, "not run: no time left")
            continue
        model = minilm() if name == "MiniLM" else llama(name)
        for count in counts:
            tokens = SHORT if ON_GPU else 40
            talk = [window(tokens, SHORT_TURNS if ON_GPU else 3, seed=seed) for seed in range(count)]
            text = [window(tokens, seed=seed) for seed in range(count)]
            found = paired_seconds(
                [
                    lambda model=model, talk=talk: plain_forward(model, talk),  # type: ignore[misc]
                    *(_captured(model, windows, options) for windows, options in _kinds(text, talk)),
                ],
                rounds=15 if ON_GPU else 2,
            )
            table.add("small", f"{name}, {count} of {tokens} tokens", _figures(found, count, "documents"))


def measure_large(table: Table, clock: Clock) -> None:
    """One long conversation, as tokens a second, with the memory at the peak."""
    for name, lengths in {"Llama 8B": (1024, 4096, 16384), "Llama 1B": (1024, 4096)}.items():
        if clock.is_over(0.8):
            table.add("large", name, "not run: no time left")
            continue
        model = llama(name)
        for tokens in lengths if ON_GPU else (48,):
            text, talk = [window(tokens)], [window(tokens, max(4, tokens // TURN_TOKENS))]
            if ON_GPU:
                torch.cuda.reset_peak_memory_stats()
            found = paired_seconds(
                [
                    lambda model=model, text=text: plain_forward(model, text),  # type: ignore[misc]
                    *(_captured(model, windows, options) for windows, options in _kinds(text, talk)),
                ],
                rounds=max(3, min(9, 12_000 // tokens)) if ON_GPU else 1,
            )
            peak = f", peak {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB" if ON_GPU else ""
            table.add("large", f"{name}, {tokens:,} tokens", _figures(found, tokens, "tokens") + peak)
        del model
        if ON_GPU:
            torch.cuda.empty_cache()


def _kinds(text: Sequence[Window], talk: Sequence[Window]) -> list[tuple[Sequence[Window], CaptureOptions]]:
    return [(text, CaptureOptions()), (talk, CaptureOptions()), (talk, EVERYTHING)]


def _captured(model: Model, windows: Sequence[Window], options: CaptureOptions) -> Callable[[], object]:
    """The pass with every window's measure taken from it."""
    return lambda: list(capture(model, windows, options))


def _figures(found: Sequence[float], count: int, unit: str) -> str:
    plain, *captured = found
    kinds = zip(("text", "talk", "everything"), captured, strict=True)
    times = ", ".join(f"{name} {took * 1e3:.1f} ms (x{took / plain:.2f})" for name, took in kinds)
    rates = ", ".join(f"{count / took:,.0f}" for took in found)
    return f"plain {plain * 1e3:.1f} ms, {times}; {unit} a second {rates}"
