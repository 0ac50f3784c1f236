"""A document's first window is read beside the others and measured by itself: nothing else of the document changes."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from capture_networks import Twin, talk_window, text_window, twin
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import CHATML, KINDS, tiny_tokenizer

from attention.definitions import METRIC_NAMES
from attention.errors import TooShort
from attention.measure.analysis import Measurement, analyse
from attention.text.controls import shuffled_tokens
from attention.text.documents import Document, Rendered, Turn, Window
from attention.text.rendering import render, sample_characters, sample_windows
from attention.text.spans import first_span
from attention.text.tokens import token_reader

TOKENIZERS = {kind: tiny_tokenizer(kind) for kind in KINDS}
TEXT = " ".join(f"The kettle number {n} is on, and the bus runs at six." for n in range(40))
TALK = tuple(Turn(("Ana", "Bo", "Cy")[n % 3], f"Boat number {n} is late.") for n in range(40))


@cache
def network(family: str) -> Twin:
    return twin(family)


def same(one: Window, other: Window) -> bool:
    fields = ("ids", "turn", "speaker", "scaffold", "special")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in fields)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, deadline=None)
@given(words=st.integers(60, 300), count=st.integers(1, 6), seed=st.integers(0, 2**40))
def test_the_first_window_is_the_document_cut_to_its_first_tokens(kind: str, words: int, count: int, seed: int) -> None:
    numbers = " ".join(str(index) for index in range(words))
    document = Document(text=numbers) if seed % 2 else Document(turns=(Turn("Ana", numbers), Turn("Bo", "no")))
    rendered = sample_windows(TOKENIZERS[kind], document, window_tokens=24, count=count, seed=seed, first_window=True)
    (cut,) = render(TOKENIZERS[kind], document, context=24, overflow="truncate").windows
    assert rendered.first is not None
    assert same(rendered.first, cut)
    plain = sample_windows(TOKENIZERS[kind], document, window_tokens=24, count=count, seed=seed)
    assert all(same(one, other) for one, other in zip(rendered.windows, plain.windows, strict=True))
    assert (rendered.tokens, rendered.truncated) == (plain.tokens, plain.truncated)
    assert rendered.all_windows == (*rendered.windows, rendered.first)
    assert plain.first is None
    assert plain.all_windows == plain.windows


def test_messages_begin_as_their_template_begins() -> None:
    tokenizer = tiny_tokenizer("byte-level-nfc", chat_template=CHATML)
    document = Document(turns=tuple(replace(turn, speaker="user") for turn in TALK), messages=True)
    rendered = sample_windows(tokenizer, document, window_tokens=32, count=2, seed=0, first_window=True)
    (cut,) = render(tokenizer, document, context=32, overflow="truncate").windows
    assert rendered.first is not None
    assert same(rendered.first, cut)


def test_a_first_window_changes_the_digest_and_its_absence_leaves_it_as_it_always_was() -> None:
    none = np.array([-1, -1, -1], np.int32)
    special = np.array([True, False, False])
    window = Window(np.array([1, 7, 9]), none, none, special, special)
    rendered = Rendered((window,), None, (), 3, False)
    assert rendered.digest().hex() == "ed8ce72c6141c5b608c3baeb5b37c927f31c0ce1d8ba89e0f26e0f3d8455c15f"
    digests = {
        rendered.digest(),
        replace(rendered, first=window).digest(),
        replace(rendered, windows=(window, window)).digest(),
        replace(rendered, windows=(window, window), first=window).digest(),
    }
    assert len(digests) == 4


@pytest.mark.parametrize("kind", KINDS)
def test_by_characters_every_tokenizer_reads_the_same_first_words(kind: str) -> None:
    start, end = first_span(TEXT, characters=120)
    assert start == 0
    assert TEXT[end - 1 : end + 1] != TEXT[end - 1 : end + 1].strip()
    rendered = sample_characters(
        TOKENIZERS[kind], Document(text=TEXT), window_characters=120, count=2, seed=5, context=512, first_window=True
    )
    tokens = token_reader(TOKENIZERS[kind]).read(TEXT)
    assert rendered.first is not None
    own = rendered.first.ids[~rendered.first.special]
    assert own.tolist() == tokens.ids[: len(own)].tolist()
    assert TEXT[: tokens.end[len(own) - 1]].split() == TEXT[start:end].split()


def test_a_beginning_that_the_model_cannot_read_at_once_leaves_the_document_without_a_first_window() -> None:
    dense = Document(text="?!" * 50 + " " + TEXT)
    blank = Document(text=" " * 100 + TEXT)
    read = {"window_characters": 90, "count": 1, "seed": 3, "context": 64, "first_window": True}
    for document in (dense, blank):
        rendered = sample_characters(TOKENIZERS["wordpiece"], document, **read)  # type: ignore[arg-type]
        assert len(rendered.windows) == 1
        assert rendered.first is None
    assert sample_characters(TOKENIZERS["wordpiece"], Document(text=TEXT), **read).first is not None  # type: ignore[arg-type]


def test_a_document_too_short_for_one_window_is_too_short_for_its_first() -> None:
    with pytest.raises(TooShort, match="12 tokens, fewer than the 13"):
        sample_windows(
            TOKENIZERS["wordpiece"], Document(text="yes " * 10), window_tokens=13, count=2, seed=0, first_window=True
        )


def test_shuffled_tokens_are_shuffled_in_the_first_window_too() -> None:
    rendered = sample_windows(
        TOKENIZERS["wordpiece"], Document(turns=TALK), window_tokens=40, count=2, seed=0, first_window=True
    )
    shuffled = shuffled_tokens(rendered, 0)
    assert rendered.first is not None
    assert shuffled.first is not None
    content = ~rendered.first.scaffold
    assert not np.array_equal(shuffled.first.ids[content], rendered.first.ids[content])
    assert np.array_equal(np.sort(shuffled.first.ids[content]), np.sort(rendered.first.ids[content]))
    assert np.array_equal(shuffled.first.ids[~content], rendered.first.ids[~content])


def documents(first: bool) -> list[Rendered]:
    """Two conversations and two texts, of several lengths; every other one has no first window in any case."""
    talks = [(talk_window((4, 5), seed=1), talk_window((3, 2), seed=2, first=2)), (talk_window((6, 2), seed=3),)]
    texts = [(text_window(17, seed=4), text_window(17, seed=5)), (text_window(30, seed=6),)]
    firsts: list[Window | None] = [talk_window((2, 7), seed=7), None, text_window(17, seed=8), None]
    return [
        Rendered(
            windows,
            turns,
            ("Ana", "Bo") if turns else (),
            sum(len(window) for window in windows),
            True,
            window if first else None,
        )
        for windows, turns, window in zip([*talks, *texts], (4, 2, None, None), firsts, strict=True)
    ]


@pytest.mark.parametrize("family", ["bert", "llama", "mistral"])
@pytest.mark.parametrize("budget", [30, 60, 500])
def test_the_first_windows_numbers_are_those_of_the_window_measured_alone(family: str, budget: int) -> None:
    model = network(family).model
    found = analyse(model, documents(first=True), token_budget=budget)
    assert [one.first_document is None for one in found] == [False, True, False, True]
    for rendered, measured in zip(documents(first=True), found, strict=True):
        if rendered.first is None:
            assert measured.first_layers is None
            continue
        first = rendered.first
        alone = replace(rendered, windows=(first,), first=None, tokens=len(first))
        (expected,) = analyse(model, [alone], token_budget=500)
        assert measured.first_layers is not None
        assert measured.first_document is not None
        assert measured.first_layers.keys() == measured.first_document.keys() == set(METRIC_NAMES)
        for name in METRIC_NAMES:
            np.testing.assert_allclose(measured.first_layers[name], expected.layers[name], rtol=1e-5, atol=1e-7)
            np.testing.assert_allclose(measured.first_document[name], expected.document[name], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("family", ["bert", "llama"])
def test_nothing_else_of_a_document_knows_of_its_first_window(family: str) -> None:
    model = network(family).model
    with_first, without = (analyse(model, documents(first), token_budget=60) for first in (True, False))
    for one, other in zip(with_first, without, strict=True):
        counts = ("tokens", "turns", "speakers", "windows", "truncated", "left_out_rows")
        assert all(getattr(one, name) == getattr(other, name) for name in counts)
        arrays = [(one.embedding, other.embedding), *optional_arrays(one, other)]
        for name in METRIC_NAMES:
            arrays += [(one.heads[name], other.heads[name]), (one.layers[name], other.layers[name])]
            arrays.append((np.asarray(one.document[name]), np.asarray(other.document[name])))
        for mine, theirs in arrays:
            np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)


def optional_arrays(one: Measurement, other: Measurement) -> list[tuple[np.ndarray, np.ndarray]]:
    """What a conversation has besides: flow and turns."""
    if one.flow is None:
        assert other.flow is None
        return []
    assert one.turn_metrics is not None
    assert other.turn_metrics is not None
    names = ("flow", "turn_embeddings", "turn_tokens", "turn_speakers")
    return [
        *((getattr(one, name), getattr(other, name)) for name in names),
        *((values, other.turn_metrics[name]) for name, values in one.turn_metrics.items()),
    ]
