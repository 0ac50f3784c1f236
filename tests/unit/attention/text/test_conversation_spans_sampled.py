"""Windows by characters hold the same words under every tokenizer."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import CHATML, KINDS, tiny_tokenizer

from attention.errors import TooLong, TooShort
from attention.text.documents import Document, Turn
from attention.text.rendering import sample_characters
from attention.text.spans import count_words, sample_spans
from attention.text.tokens import token_reader

TEXT = " ".join(f"The kettle number {n} is on, and the bus runs at six." for n in range(40))
TOKENIZERS = {kind: tiny_tokenizer(kind) for kind in KINDS}


@settings(max_examples=60, deadline=None)
@given(characters=st.integers(32, 300), count=st.integers(1, 6), seed=st.integers(0, 99))
def test_spans_are_whole_words_apart_from_each_other_and_no_longer_than_asked(
    characters: int, count: int, seed: int
) -> None:
    spans = sample_spans(TEXT, characters=characters, count=count, seed=seed)
    assert len(spans) == min(count, len(TEXT) // characters)
    assert spans == sample_spans(TEXT, characters=characters, count=count, seed=seed)
    assert all(0 <= start < end <= start + characters for start, end in spans)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    known = set(TEXT.split())
    for start, end in spans:
        assert set(TEXT[start:end].split()) <= known
        assert TEXT[start:end] == TEXT[start:end].strip()
    assert count_words(TEXT, spans) == sum(len(TEXT[start:end].split()) for start, end in spans)


def test_a_text_without_white_space_is_cut_where_it_was_drawn() -> None:
    ((start, end),) = sample_spans("天" * 500, characters=100, count=1, seed=3)
    assert end - start == 100


@pytest.mark.parametrize("kind", KINDS)
def test_every_tokenizer_reads_exactly_the_words_of_the_span(kind: str) -> None:
    spans = sample_spans(TEXT, characters=120, count=3, seed=5)
    rendered = sample_characters(
        TOKENIZERS[kind], Document(text=TEXT), window_characters=120, count=3, seed=5, context=512
    )
    tokens = token_reader(TOKENIZERS[kind]).read(TEXT)
    assert len(rendered.windows) == 3
    assert rendered.truncated
    for window, (start, end) in zip(rendered.windows, spans, strict=True):
        inside = (tokens.end > start) & (tokens.start < end)
        assert window.ids[~window.special].tolist() == tokens.ids[inside].tolist()
        read = TEXT[tokens.start[inside].min() : tokens.end[inside].max()]
        assert read.split() == TEXT[start:end].split()


def test_messages_are_written_alike_for_a_model_with_a_chat_template_and_one_without() -> None:
    turns = tuple(Turn(("user", "assistant")[n % 2], f"The boats are late, said number {n}.") for n in range(20))
    document = Document(turns=turns, messages=True)
    plain, chat = tiny_tokenizer("byte-level-nfc"), tiny_tokenizer("byte-level-nfc", chat_template=CHATML)
    first, second = (
        sample_characters(tokenizer, document, window_characters=90, count=2, seed=1, context=512)
        for tokenizer in (plain, chat)
    )
    for one, other in zip(first.windows, second.windows, strict=True):
        assert np.array_equal(one.ids, other.ids)
        assert np.array_equal(one.turn, other.turn)


def test_a_text_too_short_and_a_window_too_long_are_refused_with_their_numbers() -> None:
    with pytest.raises(TooShort, match="has 10 characters, fewer than the 40"):
        sample_characters(
            TOKENIZERS["wordpiece"], Document(text="too short."), window_characters=40, count=1, seed=0, context=64
        )
    with pytest.raises(TooLong) as raised:
        sample_characters(
            TOKENIZERS["wordpiece"], Document(text=TEXT), window_characters=400, count=1, seed=0, context=16
        )
    assert raised.value.limit == 16
    assert raised.value.tokens > 16
