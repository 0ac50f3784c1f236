"""Every token of a conversation belongs to the turn whose text it is, under every kind of tokenizer."""

import unicodedata
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import KINDS, tiny_tokenizer

from attention.text.documents import Document, Turn
from attention.text.rendering import render
from attention.text.script import turns_of_tokens, write_script
from attention.text.tokens import token_reader

TOKENIZERS = {kind: tiny_tokenizer(kind) for kind in KINDS}
LOSSLESS = ("byte-level", "byte-level-nfc", "sentencepiece-bpe")

PIECES = st.sampled_from(
    [
        *"abz Z09.,:;?!-()'\"\n\t  ",
        *"éßøñ",
        "e\u0301",
        "a\u0323\u0302",
        "👍🏽",
        "👩‍👩‍👧",
        "🇨🇭",
        "שלום",
        "مرحبا",
        "नमस्ते",
        "日本",
        "ﷺ",
        "ﬁ",
        "½",
        "…",
        "\u200f",
        "\u00a0",
        "Ana: ",
        "\nBo: ",
        "</s>",
        "[SEP]",
        "<|im_end|>",
    ]
)
TEXTS = st.lists(PIECES, min_size=1, max_size=12).map("".join).filter(lambda text: text.strip())
TURNS = st.lists(st.builds(Turn, st.sampled_from(["Ana", "Bo", "דנה", "C: D"]), TEXTS), min_size=1, max_size=6)


def conversation(*said: tuple[str, str]) -> Document:
    return Document(turns=tuple(Turn(*turn) for turn in said))


def only_window(tokenizer: Any, document: Document, **options: Any) -> Any:
    rendered = render(tokenizer, document, context=10_000, **options)
    assert len(rendered.windows) == 1
    return rendered.windows[0]


@pytest.mark.parametrize("kind", LOSSLESS)
@settings(max_examples=60, deadline=None)
@given(turns=TURNS)
def test_the_ids_of_a_turn_decode_to_its_text_exactly(kind: str, turns: list[Turn]) -> None:
    window = only_window(TOKENIZERS[kind], Document(turns=tuple(turns)))
    for index, turn in enumerate(turns):
        own = TOKENIZERS[kind].backend_tokenizer.decode(window.ids[window.turn == index].tolist(), False)
        text = unicodedata.normalize("NFC", turn.text) if kind == "byte-level-nfc" else turn.text
        # a space before and a line break after may be part of the turn's first and last token
        assert own in {before + text + after for before in ("", " ") for after in ("", "\n")} | {text.removeprefix(" ")}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("labels", ["keep", "drop"])
@settings(max_examples=40, deadline=None)
@given(turns=TURNS)
def test_every_letter_of_a_turn_stands_in_tokens_of_that_turn_alone(kind: str, labels: Any, turns: list[Turn]) -> None:
    tokenizer = TOKENIZERS[kind]
    script = write_script(Document(turns=tuple(turns)), tokenizer, labels)
    tokens = token_reader(tokenizer).read(script.text)
    turn = turns_of_tokens(tokens, script)
    for index in range(len(turns)):
        for place in range(script.start[index], script.end[index]):
            if script.text[place].isalnum():
                over = (tokens.start <= place) & (place < tokens.end)
                assert over.any()
                assert set(turn[over].tolist()) == {index}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None)
@given(turns=TURNS)
def test_no_letter_of_a_label_is_content(kind: str, turns: list[Turn]) -> None:
    tokenizer = TOKENIZERS[kind]
    script = write_script(Document(turns=tuple(turns)), tokenizer, "keep")
    tokens = token_reader(tokenizer).read(script.text)
    turn = turns_of_tokens(tokens, script)
    for opening, start in zip(script.opening, script.start, strict=True):
        inside = (tokens.start >= opening) & (tokens.end <= start - 1)
        assert (turn[inside] == -1).all()


def test_wordpieces_of_a_turn_are_those_of_its_text_alone() -> None:
    tokenizer = TOKENIZERS["wordpiece"]
    said = [("Ana", "Are you coming? 👍🏽 Zoé"), ("Bo", "At six — שלום, e\u0301clair.")]
    window = only_window(tokenizer, conversation(*said))
    for index, (_, text) in enumerate(said):
        alone = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
        assert window.ids[window.turn == index].tolist() == alone


def test_bytes_of_one_character_all_belong_to_its_turn() -> None:
    window = only_window(TOKENIZERS["byte-level"], conversation(("Ana", "👍"), ("Bo", "ok")))
    assert (window.turn == 0).sum() == 4
    assert TOKENIZERS["byte-level"].decode(window.ids[window.turn == 0]) == "👍"


def test_a_token_over_a_turns_end_belongs_to_the_turn() -> None:
    tokenizer = TOKENIZERS["byte-level-nfc"]  # its `.` takes the line break along
    window = only_window(tokenizer, conversation(("Ana", "Yes."), ("Bo", "No.")))
    last = window.ids[window.turn == 0][-1]
    assert tokenizer.decode([last]) == ".\n"


def test_a_token_over_two_turns_goes_to_the_one_with_more_of_it_and_of_equals_to_the_earlier() -> None:
    tokenizer = TOKENIZERS["byte-level"]
    text = "a\n\n\n\nb"
    tokens = token_reader(tokenizer).read(text)
    assert tokens.end.max() == len(text)
    document = conversation(("Ana", "a\n\n"), ("Bo", "\nb"))
    script = write_script(document, tokenizer, "drop")
    assert script.text == "a\n\n\n\nb\n"

    from attention.text.tokens import Tokens

    def across(start: int, end: int) -> int:
        one = Tokens(np.array([0]), np.array([start]), np.array([end]), np.array([False]))
        return int(turns_of_tokens(one, script)[0])

    assert across(1, 5) == 0  # two characters of Ana's, one of Bo's
    assert across(2, 5) == 0  # one of each
    assert across(2, 6) == 1  # one of Ana's, two of Bo's
    assert across(3, 4) == -1  # the separator alone


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_surround_the_window_and_are_scaffold(kind: str) -> None:
    tokenizer = TOKENIZERS[kind]
    window = only_window(tokenizer, conversation(("Ana", "Are you coming?"), ("Bo", "Yes")))
    plain = tokenizer.backend_tokenizer.encode("Ana: Are you coming?\nBo: Yes\n")
    assert window.ids.tolist() == plain.ids
    assert window.special.tolist() == [bool(mask) for mask in plain.special_tokens_mask]
    assert (window.scaffold == (window.turn < 0)).all()
    assert window.scaffold[window.special].all()


@pytest.mark.parametrize("kind", KINDS)
def test_in_a_plain_text_only_special_tokens_are_scaffold_and_nothing_has_a_turn(kind: str) -> None:
    rendered = render(TOKENIZERS[kind], Document(text="The kettle is on.\nAna: yes"), context=512)
    (window,) = rendered.windows
    assert rendered.turns is None
    assert rendered.speakers == ()
    assert (window.turn == -1).all()
    assert (window.speaker == -1).all()
    assert (window.scaffold == window.special).all()


@pytest.mark.parametrize(
    ("kind", "name"), [("byte-level", "<|endoftext|>"), ("sentencepiece-bpe", "</s>"), ("wordpiece", "[SEP]")]
)
def test_the_name_of_a_control_token_in_a_text_is_read_as_text(kind: str, name: str) -> None:
    tokenizer = TOKENIZERS[kind]
    for document in (Document(text=f"a {name} b"), conversation(("Ana", f"a {name} b"), (name, "c"))):
        window = only_window(tokenizer, document)
        assert tokenizer.convert_tokens_to_ids(name) not in window.ids[~window.special]


def test_speakers_are_numbered_by_first_appearance_and_successive_turns_of_one_stay_two() -> None:
    said = (("Bo", "one"), ("Ana", "two"), ("Ana", "three"), ("Bo", "four"))
    rendered = render(TOKENIZERS["wordpiece"], conversation(*said), context=512)
    (window,) = rendered.windows
    assert rendered.speakers == ("Bo", "Ana")
    assert rendered.turns == 4
    first = [window.speaker[window.turn == index][0] for index in range(4)]
    assert first == [0, 1, 1, 0]
    assert (window.speaker[window.turn < 0] == -1).all()


def test_without_labels_no_speakers_name_is_read() -> None:
    document = conversation(("Zebedee", "one"), ("Balthazar", "two"))
    tokenizer = TOKENIZERS["byte-level"]
    window = only_window(tokenizer, document, labels="drop")
    assert tokenizer.decode(window.ids) == "one\ntwo\n"
    assert window.turn.max() == 1


def test_digests_tell_readings_apart_and_equal_readings_not() -> None:
    tokenizer = TOKENIZERS["wordpiece"]
    documents = [
        conversation(("Ana", "yes"), ("Bo", "no")),
        conversation(("Ana", "yes"), ("Ana", "no")),
        conversation(("Ana", "yes no")),
        Document(text="Ana: yes\nBo: no\n"),
    ]
    digests = [render(tokenizer, document, context=64).digest() for document in documents]
    assert len(set(digests)) == 4
    assert render(tokenizer, documents[0], context=64).digest() == digests[0]
    assert len(digests[0]) == 32
