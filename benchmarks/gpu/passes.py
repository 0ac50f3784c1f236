"""Whole captured passes: each conversation alone and among others, and against the same network's pass on the CPU.

A network's own products are rounded otherwise in a pass of another shape, so what is alone and what is in company agree
within rounding and not to the byte; how far apart they are is what this part says.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from attention.kernels import kernel_name
from attention.measure.capture import WindowMeasure, capture
from attention.measure.metrics import fold
from attention.model.model import Model
from benchmarks.gpu.device import ON_GPU, Clock, window
from benchmarks.gpu.forward import EVERYTHING
from benchmarks.gpu.networks import MINILM, TINY, network_of
from benchmarks.gpu.table import Table

FLOOR = 0.01
"""Errors are relative to the larger of the value and this; those of an embedding to its length."""
LENGTHS = (37, 64, 101, 150, 189, 189, 230, 256, 300, 333, 400, 512) if ON_GPU else (20, 33, 47)
"""Tokens of the conversations of a pass."""
SMALL_LLAMA = {
    "vocab_size": 1000,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 12,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "max_position_embeddings": 2048,
}
WINDOWED = SMALL_LLAMA | {
    "hidden_size": 512,
    "num_hidden_layers": 6,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "sliding_window": 96,
}
EXPERTS = {"intermediate_size": 256, "num_local_experts": 4, "num_experts_per_tok": 2}


def _configurations() -> Iterator[tuple[str, transformers.PretrainedConfig]]:
    """A network of both directions, a plain decoder, one with experts, and one with windows and softcap.

    Their weights are as large as leaves scores a variance of about 1, so that attention is no mere mean.
    """
    for name, config in _shapes():
        config.initializer_range = config.hidden_size**-0.5
        yield name, config


def _shapes() -> Iterator[tuple[str, transformers.PretrainedConfig]]:
    decoder = TINY | {"num_key_value_heads": 1, "head_dim": 16, "sliding_window": 16}
    yield "MiniLM", transformers.BertConfig(**(MINILM if ON_GPU else TINY))
    yield "Llama 12 layers", transformers.LlamaConfig(**(SMALL_LLAMA if ON_GPU else decoder))
    yield "Gemma 2", transformers.Gemma2Config(**((WINDOWED | {"head_dim": 256}) if ON_GPU else decoder))
    yield "Mixtral", transformers.MixtralConfig(**((WINDOWED if ON_GPU else decoder) | EXPERTS))


def measure(table: Table, clock: Clock) -> None:
    """In fp32 and in the precision models are served in."""
    turns = 11 if ON_GPU else 3
    windows = [window(tokens, turns, seed=seed, speakers=3) for seed, tokens in enumerate(LENGTHS)]
    for name, config in _configurations():
        if clock.is_over(0.8):
            table.add("passes", name, "not run: no time left")
            continue
        full = network_of(config, torch.float32)
        on_cpu = _on_cpu(full)
        exact = list(capture(on_cpu, windows, EVERYTHING))
        for dtype in (torch.float32, torch.bfloat16) if ON_GPU else (torch.float32,):
            model = _in(full, dtype)
            together = list(capture(model, windows, EVERYTHING))
            again = list(capture(model, windows, EVERYTHING))
            alone = [capture(model, [each], EVERYTHING)[0] for each in windows]
            twice = all(_same(one, other) for one, other in zip(together, again, strict=True))
            table.add(
                "passes",
                f"{name}, {str(dtype)[6:]}",
                f"alone and among others: {_apart(alone, together)}; from the CPU in float32: "
                f"{_apart(together, exact)}; {'same bytes twice' if twice else 'NOT THE SAME TWICE'}",
            )


def _on_cpu(model: Model) -> Model:
    cpu = torch.device("cpu")
    facts = replace(model.facts, device="cpu", kernel=kernel_name(cpu))
    return replace(model, facts=facts, network=copy.deepcopy(model.network).to(cpu))


def _in(model: Model, dtype: torch.dtype) -> Model:
    facts = replace(model.facts, dtype=str(dtype).removeprefix("torch."))
    return replace(model, facts=facts, network=copy.deepcopy(model.network).to(dtype))


def _apart(found: Sequence[WindowMeasure], wanted: Sequence[WindowMeasure]) -> str:
    """The worst of all conversations in what is kept of them, with the metric of a document that is worst."""
    worst: dict[str, float] = {}
    document: dict[str, float] = {}
    for one, other in zip(found, wanted, strict=True):
        folded, meant = (fold([each.sums], turns=True) for each in (one, other))
        for metric, value in meant.document.items():
            document[metric] = max(document.get(metric, 0.0), _relative(folded.document[metric], value))
        for kind, (a, b) in {
            "a head": (_stacked(folded.heads), _stacked(meant.heads)),
            "a turn": (_means(one.turn_sums), _means(other.turn_sums)),
            "flow": (_per_row(one), _per_row(other)),
            "a token": (one.token_rows, other.token_rows),
        }.items():
            worst[kind] = max(worst.get(kind, 0.0), _relative(a, b))
        length = float(np.linalg.norm(other.embedding))
        apart = float(np.linalg.norm(one.embedding - other.embedding)) / length
        worst["embedding"] = max(worst.get("embedding", 0.0), apart)
    metric = max(document, key=document.__getitem__)
    others = ", ".join(f"{kind} {error:.1e}" for kind, error in worst.items())
    return f"a document's metric {document[metric]:.1e} ({metric}), {others}"


def _relative(found: object, wanted: object) -> float:
    """The largest error of what is defined; infinite where one is defined and the other not."""
    a, b = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    if not np.array_equal(np.isnan(a), np.isnan(b)):
        return float("inf")
    defined = ~np.isnan(b)
    error = np.abs(a - b)[defined] / np.maximum(np.abs(b[defined]), FLOOR)
    return float(error.max(initial=0.0))


def _stacked(heads: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.stack(list(heads.values()))


def _means(sums: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    """Of a turn's sums and counts (2, M, L, T)."""
    if sums is None:
        return None
    return np.asarray(np.divide(sums[0], sums[1], out=np.full(sums[0].shape, np.nan), where=sums[1] > 0), np.float64)


def _per_row(found: WindowMeasure) -> NDArray[np.float64] | None:
    """What a row of a turn gives each turn, from the flow (L, H, T, T + 1)."""
    if found.flow is None:
        return None
    return np.asarray(found.flow / np.maximum(1, found.turn_tokens)[None, None, :, None], np.float64)


def _same(one: WindowMeasure, other: WindowMeasure) -> bool:
    pairs = [
        (one.sums.total, other.sums.total),
        (one.embedding, other.embedding),
        (one.flow, other.flow),
        (one.turn_sums, other.turn_sums),
        (one.token_rows, other.token_rows),
    ]
    return all((a is None and b is None) or np.array_equal(a, b, equal_nan=True) for a, b in pairs)  # type: ignore[arg-type]
