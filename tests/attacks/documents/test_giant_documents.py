"""Attack: documents made so that reading them takes more than linear time. Each is read whole, in time."""

import time

import pytest
from tiny_models import CHATML, KINDS, tiny_tokenizer

from attention.text.documents import Document, Turn
from attention.text.rendering import render, sample_windows

N = 100_000
TEXTS = {
    "one word": "a" * N,
    "one space": "a" + " " * N + "b",
    "marks on one letter": "a" + "\u0301" * N,
    "line ends": "a" + "\n" * N,
    "emoji": "👍🏽" * (N // 4),
    "joiners": "a" + "\u200d" * N,
    "long expansions": "\ufdfa" * (N // 10) + "a",
    "right to left": ("\u202eאב\u202c" * (N // 5)),
    "nulls": "a" + "\x00" * N,
}
SECONDS = 60.0


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_takes_more_than_linear_time(kind: str) -> None:
    tokenizer = tiny_tokenizer(kind)
    for name, text in TEXTS.items():
        began = time.process_time()
        rendered = render(tokenizer, Document(text=text), context=512)
        assert time.process_time() - began < SECONDS, name
        assert max(len(window) for window in rendered.windows) <= 512


@pytest.mark.parametrize("labels", ["keep", "drop"])
def test_a_hundred_thousand_turns_of_line_ends_take_linear_time(labels: str) -> None:
    turns = tuple(Turn(f"S{index % 7}", "\n\na\n\n") for index in range(N))
    tokenizer = tiny_tokenizer("byte-level-nfc")
    began = time.process_time()
    rendered = render(tokenizer, Document(turns=turns), context=64, labels=labels)  # type: ignore[arg-type]
    assert time.process_time() - began < SECONDS
    assert rendered.turns == N


def test_ten_thousand_messages_take_linear_time() -> None:
    tokenizer = tiny_tokenizer("byte-level-nfc", chat_template=CHATML)
    turns = tuple(Turn(("user", "assistant")[index % 2], "user\n") for index in range(10_000))
    began = time.process_time()
    rendered = render(tokenizer, Document(turns=turns, messages=True), context=512)
    assert time.process_time() - began < SECONDS
    assert rendered.turns == 10_000


def test_a_million_sampled_windows_of_a_short_document_are_as_many_as_fit() -> None:
    rendered = sample_windows(
        tiny_tokenizer("wordpiece"), Document(text="yes " * 300), window_tokens=32, count=1_000_000, seed=0
    )
    assert len(rendered.windows) == 10
