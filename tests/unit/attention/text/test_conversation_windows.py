"""A long document is cut where turns end if that can be, and the result says what was left out."""

import time
import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import KINDS, tiny_tokenizer

from attention.errors import TooLong, TooShort
from attention.text.documents import Document, Rendered, Turn
from attention.text.rendering import render, sample_windows
from attention.text.script import openings_of_tokens, write_script
from attention.text.tokens import token_reader

TOKENIZERS = {kind: tiny_tokenizer(kind) for kind in KINDS}
WORDS = st.sampled_from(["yes", "no", "the boats", "👍🏽", "schön", "at 42", "שלום", "well...\n"])
TURNS = st.lists(
    st.builds(Turn, st.sampled_from(["Ana", "Bo"]), st.lists(WORDS, min_size=1, max_size=15).map(" ".join)),
    min_size=1,
    max_size=12,
)


def inside(rendered: Rendered) -> np.ndarray:
    """The document's own tokens, window after window."""
    return np.concatenate([window.ids[~window.special] for window in rendered.windows])


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(turns=TURNS, context=st.integers(8, 60))
def test_windows_together_are_the_whole_document_within_the_context(kind: str, turns: list[Turn], context: int) -> None:
    document = Document(turns=tuple(turns))
    whole = render(TOKENIZERS[kind], document, context=100_000)
    parts = render(TOKENIZERS[kind], document, context=context)
    assert inside(parts).tolist() == inside(whole).tolist()
    assert max(len(window) for window in parts.windows) <= context
    assert np.array_equal(
        np.concatenate([window.turn[~window.special] for window in parts.windows]),
        whole.windows[0].turn[~whole.windows[0].special],
    )
    assert parts.tokens == sum(len(window) for window in parts.windows)
    assert not parts.truncated
    assert parts.turns == len(turns)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(turns=TURNS, context=st.integers(8, 60))
def test_a_turn_that_fits_into_a_window_is_never_cut(kind: str, turns: list[Turn], context: int) -> None:
    tokenizer = TOKENIZERS[kind]
    document = Document(turns=tuple(turns))
    reader = token_reader(tokenizer)
    script = write_script(document, tokenizer, "keep")
    tokens = reader.read(script.text)
    borders = [*openings_of_tokens(tokens, script).tolist(), len(tokens)]
    parts = render(tokenizer, document, context=context)
    cuts = np.cumsum([len(window) - reader.around for window in parts.windows]).tolist()
    for start, stop in pairwise(borders):
        if stop - start <= context - reader.around:
            assert not any(start < cut < stop for cut in cuts)


def test_every_window_carries_the_models_own_special_tokens() -> None:
    document = Document(turns=tuple(Turn("Ana", f"number {index} of the boats") for index in range(40)))
    tokenizer = TOKENIZERS["wordpiece"]
    rendered = render(tokenizer, document, context=64)
    assert len(rendered.windows) > 5
    for window in rendered.windows:
        assert window.ids[0] == tokenizer.cls_token_id
        assert window.ids[-1] == tokenizer.sep_token_id
        assert window.special.sum() == 2


def test_a_hard_cut_does_not_part_the_bytes_of_a_character() -> None:
    tokenizer = TOKENIZERS["byte-level"]
    rendered = render(tokenizer, Document(text="👍🏽" * 30), context=15)
    assert len(rendered.windows) > 10
    assert "".join(tokenizer.decode(window.ids) for window in rendered.windows) == "👍🏽" * 30
    assert all(len(window) == 12 for window in rendered.windows[:-1])


def test_a_context_narrower_than_a_character_still_ends() -> None:
    rendered = render(TOKENIZERS["byte-level"], Document(text="👍👍"), context=3)
    assert (
        inside(rendered).tolist()
        == inside(render(TOKENIZERS["byte-level"], Document(text="👍👍"), context=99)).tolist()
    )


def test_truncate_reads_one_window_and_says_so() -> None:
    document = Document(turns=tuple(Turn("Ana", f"number {index}") for index in range(40)))
    rendered = render(TOKENIZERS["wordpiece"], document, context=32, overflow="truncate")
    whole = render(TOKENIZERS["wordpiece"], document, context=10_000)
    assert [len(window) for window in rendered.windows] == [32]
    assert inside(rendered).tolist() == inside(whole)[:30].tolist()
    assert rendered.truncated
    assert rendered.turns == 40
    assert not render(TOKENIZERS["wordpiece"], document, context=10_000, overflow="truncate").truncated


def test_reject_names_the_limit_and_the_size() -> None:
    document = Document(text="yes " * 100)
    with pytest.raises(TooLong, match="102 tokens, the model reads 64") as refused:
        render(TOKENIZERS["wordpiece"], document, context=64, overflow="reject")
    assert (refused.value.tokens, refused.value.limit) == (102, 64)
    assert render(TOKENIZERS["wordpiece"], document, context=102, overflow="reject").tokens == 102


def test_a_window_without_room_beside_the_special_tokens_is_an_error() -> None:
    with pytest.raises(ValueError, match="no room"):
        render(TOKENIZERS["wordpiece"], Document(text="yes"), context=2)


def test_thousands_of_turns_take_a_moment_and_warn_of_nothing() -> None:
    document = Document(turns=tuple(Turn(f"S{index % 33}", "the boats are late again, no?") for index in range(20_000)))
    tokenizer = TOKENIZERS["wordpiece"]
    tokenizer.model_max_length = 16
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rendered = render(tokenizer, document, context=512)
    assert time.perf_counter() - began < 60
    assert rendered.turns == 20_000
    assert len(rendered.speakers) == 33


def test_a_tokenizers_own_truncation_and_padding_are_put_aside() -> None:
    tokenizer = tiny_tokenizer("wordpiece")
    tokenizer.backend_tokenizer.enable_truncation(8)
    tokenizer.backend_tokenizer.enable_padding(length=16)
    assert render(tokenizer, Document(text="yes " * 30), context=64).tokens == 32
    assert render(tokenizer, Document(text="yes"), context=64).tokens == 3
    assert tokenizer.backend_tokenizer.truncation["max_length"] == 8


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None)
@given(words=st.integers(40, 400), count=st.integers(1, 9), seed=st.integers(0, 2**40))
def test_sampled_windows_are_full_apart_and_in_order(kind: str, words: int, count: int, seed: int) -> None:
    tokenizer = TOKENIZERS[kind]
    document = Document(text=" ".join(str(index) for index in range(words)))
    whole = inside(render(tokenizer, document, context=100_000)).tolist()
    rendered = sample_windows(tokenizer, document, window_tokens=24, count=count, seed=seed)
    assert {len(window) for window in rendered.windows} == {24}
    assert len(rendered.windows) == min(count, len(whole) // (24 - token_reader(tokenizer).around))
    place = 0
    for window in rendered.windows:
        own = window.ids[~window.special].tolist()
        found = next(at for at in range(place, len(whole)) if whole[at : at + len(own)] == own)
        place = found + len(own)


def test_sampled_windows_depend_on_seed_and_document_alone_and_spread_over_it() -> None:
    tokenizer = TOKENIZERS["wordpiece"]
    document = Document(turns=tuple(Turn("Ana", f"number {index}") for index in range(1000)))

    def sample(seed: int) -> Rendered:
        return sample_windows(tokenizer, document, window_tokens=64, count=4, seed=seed)

    assert sample(3).digest() == sample(3).digest()
    assert sample(3).digest() != sample(4).digest()
    thirds = [int(window.turn.max()) // 250 for window in sample(3).windows]
    assert thirds == [0, 1, 2, 3]
    assert sample(3).truncated
    assert sample(3).turns == 1000


def test_a_document_shorter_than_one_window_is_too_short_and_one_as_long_is_not() -> None:
    tokenizer = TOKENIZERS["wordpiece"]
    with pytest.raises(TooShort, match="12 tokens, fewer than the 13"):
        sample_windows(tokenizer, Document(text="yes " * 10), window_tokens=13, count=2, seed=0)
    rendered = sample_windows(tokenizer, Document(text="yes " * 10), window_tokens=12, count=2, seed=0)
    assert [len(window) for window in rendered.windows] == [12]
    assert not rendered.truncated
