"""The benchmarks of capture: time against plain attention and against attention maps, memory, documents a second."""

from collections.abc import Iterator

import numpy as np
import psutil

from attention.measure.analysis import analyse
from attention.measure.capture import capture
from attention.measure.grouping import padded_share
from attention.measure.pass_memory import CPU_TOKENS
from attention.text.rendering import render
from benchmarks.data_sets import DataSet, data_sets
from benchmarks.levels import PLAIN, levels, rows_at
from benchmarks.memory import peak_megabytes
from benchmarks.networks import Trio, llama, minilm, words
from benchmarks.paired import paired, times_of
from benchmarks.peers import lens_is_installed, maps_then_metrics, transformer_lens
from benchmarks.table import Row

MAPS = "output_attentions (BertViz's way), same metrics"
LENS = "TransformerLens, same metrics"
NO_LENS = "not installed here (pip install transformer_lens)"
TOKEN_BUDGET = CPU_TOKENS
LEAST_MEMORY = 6 * 2**30
"""Bytes that stay free beside attention maps; below it a case is told to run out of memory instead of doing so."""


def rows(*, quick: bool) -> Iterator[Row]:
    """Every case in turn; `quick` takes fewer layers, lengths and rounds and shows that all of it works."""
    layers = 4 if quick else 30
    for level in levels():
        yield from rows_at(level, quick=quick)
    trio = llama(layers)
    for tokens in (512,) if quick else (2048, 4096):
        yield _against_maps(trio, tokens, rounds=1 if quick or tokens > 2048 else 3)
    yield _against_lens(trio, 256 if quick else 1024, rounds=1 if quick else 3)
    del trio
    yield from _batch(8 if quick else 32, rounds=1 if quick else 7)
    yield from _memory(2048 if quick else 16384, layers)
    yield from _memory_of_maps(512 if quick else 2048, layers)
    yield from _documents(2 if quick else 24)


def _against_maps(trio: Trio, tokens: int, rounds: int) -> Row:
    facts = trio.model.facts
    case = f"{trio.name}, {facts.layers} layers, {tokens:,} tokens"
    target = {2048: 4.0, 4096: 7.0}.get(tokens)
    maps = facts.layers * facts.heads * tokens**2 * 4
    if maps + LEAST_MEMORY > psutil.virtual_memory().available:
        return Row(case, MAPS, None, "times faster", f"the maps alone need {maps / 2**30:.0f} GiB", target, True)
    windows = [words(tokens, facts.vocabulary)]
    found = paired(lambda: capture(trio.model, windows), lambda: maps_then_metrics(trio, windows), rounds=rounds)
    return Row(case, MAPS, 1 / found.ratio, "times faster", times_of(found), target, True)


def _against_lens(trio: Trio, tokens: int, rounds: int) -> Row:
    case = f"{trio.name}, {trio.model.facts.layers} layers, {tokens:,} tokens"
    measure = transformer_lens(trio, tokens)
    if measure is None:
        return Row(case, LENS, None, "times faster", NO_LENS)
    windows = [words(tokens, trio.model.facts.vocabulary)]
    found = paired(lambda: capture(trio.model, windows), lambda: measure(windows), rounds=rounds)
    return Row(case, LENS, 1 / found.ratio, "times faster", times_of(found))


def _batch(texts: int, rounds: int) -> Iterator[Row]:
    trio = minilm()
    lengths = np.linspace(64, 512, texts).astype(int)
    windows = [words(int(tokens), trio.model.facts.vocabulary, seed=int(tokens)) for tokens in lengths]
    case = f"{trio.name}, {texts} texts of 64 to 512 tokens in one pass"
    found = paired(
        lambda: capture(trio.model, windows), lambda: maps_then_metrics(trio, windows), rounds=max(1, rounds // 2)
    )
    yield Row(case, MAPS, 1 / found.ratio, "times faster", times_of(found), target=1.4, at_least=True)


def _memory(tokens: int, layers: int) -> Iterator[Row]:
    peaks = {
        way: [peak_megabytes(way, size, layers) for size in (tokens // 2, tokens)] for way in ("plain", "captured")
    }
    case = f"Llama 135M, {layers} layers, {tokens:,} tokens: peak memory beyond the network"
    (half_plain, plain), (half_captured, captured) = peaks["plain"], peaks["captured"]
    if plain is None or captured is None or half_plain is None or half_captured is None:
        yield Row(case, PLAIN, None, "MB more", "a process ran out of memory", target=100)
        return
    detail = (
        f"{captured[0]:.0f} MB against {plain[0]:.0f} MB; "
        f"at half the tokens {half_captured[0]:.0f} against {half_plain[0]:.0f}"
    )
    yield Row(case, PLAIN, captured[0] - plain[0], "MB more", detail, target=100)


def _memory_of_maps(tokens: int, layers: int) -> Iterator[Row]:
    captured = peak_megabytes("captured", tokens, layers)
    case = f"Llama 135M, {layers} layers, {tokens:,} tokens: peak memory beyond the network"
    for way, against in (("maps", MAPS), ("lens", LENS)):
        if way == "lens" and not lens_is_installed():
            yield Row(case, against, None, "times less", NO_LENS)
            continue
        theirs = peak_megabytes(way, tokens, layers)
        if captured is None or theirs is None:
            yield Row(case, against, None, "times less", "a process ran out of memory")
            continue
        detail = f"{captured[0]:.0f} MB against {theirs[0]:.0f} MB"
        yield Row(case, against, theirs[0] / max(captured[0], 1), "times less", detail)


def _documents(limit: int) -> Iterator[Row]:
    """The way of a whole data set: text in, metrics out, against one window after the other through the maps."""
    trio = minilm()
    for data_set in data_sets():
        yield _data_set(trio, data_set, limit)


def _data_set(trio: Trio, data_set: DataSet, limit: int) -> Row:
    rendered = [render(trio.model.tokenizer, document, context=512) for document in data_set.documents]
    windows = [len(window) for document in rendered for window in document.windows]
    number, padding = padded_share(windows, TOKEN_BUDGET)
    chosen = rendered[:: max(1, len(rendered) // limit)][:limit]
    alone = [window for document in chosen for window in document.windows]
    found = paired(
        lambda: analyse(trio.model, chosen, token_budget=TOKEN_BUDGET),
        lambda: [maps_then_metrics(trio, [window]) for window in alone],
        rounds=1,
        warm_up=False,
    )
    rate, theirs = len(chosen) / found.ours, len(chosen) / found.theirs
    detail = (
        f"{rate:.1f} against {theirs:.1f} documents a second over {len(chosen)} of {len(rendered)} documents, "
        f"{sum(document.tokens for document in chosen):,} tokens; all of them: {number} passes, {padding:.1%} padding"
    )
    return Row(f"MiniLM, {data_set.name}", "a loop over output_attentions", 1 / found.ratio, "times faster", detail)
