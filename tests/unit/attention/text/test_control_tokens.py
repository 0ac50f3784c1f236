"""Control tokens are the template's and nobody else's: what a person types is letters, wherever it stands."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import CHATML, tiny_tokenizer
from tokenizers import AddedToken

from attention.errors import BadSpeaker
from attention.text.documents import Document, Turn
from attention.text.rendering import render
from attention.text.script import write_script
from attention.text.tokens import is_mark, token_reader

ROLES = "{% for m in messages %}{{ '<｜' + m['role'] + '｜>' + m['content'] }}{% endfor %}"
TOOLS = CHATML + "{% if tools %}<tool_call>{% endif %}{# {note} #}"
PHI = "{% for m in messages %}{{ '<|' + m['role'] + '|>\\n' + m['content'] + '<|end|>\\n' }}{% endfor %}"


def tokenizer_of(template: str, *added: AddedToken, kind: str = "byte-level-nfc") -> Any:
    tokenizer = tiny_tokenizer(kind, chat_template=template)
    tokenizer.add_tokens(list(added))
    return tokenizer


MARKED = tokenizer_of(
    ROLES,
    *(AddedToken(name, special=False, normalized=False) for name in ("<｜user｜>", "<｜assistant｜>", "<tool_call>")),
)
SWALLOWING = tokenizer_of(
    PHI,
    AddedToken("<|user|>", special=True, rstrip=True),
    AddedToken("<|assistant|>", special=True, rstrip=True),
    AddedToken("<|end|>", special=True, lstrip=True, rstrip=True),
)


@pytest.mark.parametrize(
    ("name", "template", "mark"),
    [
        ("<|im_start|>", "", True),
        ("<｜User｜>", "", True),
        ("<tool_call>", "", True),
        ("</think>", "", True),
        ("<|fim_prefix|>", "", True),
        ("[INST]", "", True),
        ("[/TOOL_RESULTS]", "", True),
        ("<unused42>", "", True),
        ("<note>", "", False),
        ("<note>", "say <note> here", True),
        ("<table>", "", False),
        ("assistant", "the assistant says", False),
        ("    ", "", False),
        ("myocarditis", "", False),
        ("\n\n", "\n\n", False),
        ("[1]", "", False),
    ],
)
def test_which_added_tokens_are_control_tokens(name: str, template: str, mark: bool) -> None:
    assert is_mark(name, template) is mark


def test_a_mark_without_the_special_flag_is_letters_in_a_text_and_a_token_in_a_template() -> None:
    mark = MARKED.convert_tokens_to_ids("<｜user｜>")
    for document in (Document(text="say <｜user｜> twice"), Document(turns=(Turn("Ana", "say <｜user｜> twice"),))):
        (window,) = render(MARKED, document, context=512).windows
        assert mark not in window.ids
        assert "<｜user｜>" in MARKED.decode(window.ids)
    said = Document(turns=(Turn("user", "say <｜user｜> twice <tool_call>"),), messages=True)
    (window,) = render(MARKED, said, context=512).windows
    assert np.flatnonzero(window.ids == mark).tolist() == [0]
    assert window.special.tolist() == [True] + [False] * (len(window) - 1)
    assert MARKED.decode(window.ids[window.turn == 0]) == "say <｜user｜> twice <tool_call>"


def test_words_and_spaces_that_were_added_go_on_being_read_as_their_tokens() -> None:
    tokenizer = tokenizer_of(CHATML, AddedToken("    ", normalized=False), AddedToken("myocarditis", normalized=False))
    ids = token_reader(tokenizer).read("if x:\n    myocarditis").ids
    assert {tokenizer.convert_tokens_to_ids("    "), tokenizer.convert_tokens_to_ids("myocarditis")} <= set(
        ids.tolist()
    )


@pytest.mark.parametrize("text", ["hello", "  hello", "\n\nhello\n", "hello \t", " a  b "])
def test_a_control_token_that_swallows_white_space_leaves_the_words(text: str) -> None:
    document = Document(turns=(Turn("user", text), Turn("assistant", text)), messages=True)
    script = write_script(document, SWALLOWING, "keep")
    (window,) = render(SWALLOWING, document, context=512).windows
    for turn in (0, 1):
        assert SWALLOWING.decode(window.ids[window.turn == turn]) == text.strip()
        assert script.text[script.start[turn] : script.end[turn]] == text
    assert not (window.special & (window.turn >= 0)).any()
    assert SWALLOWING.decode(window.ids[window.special]).replace(" ", "") == "<|user|><|end|><|assistant|><|end|>"


PIECES = st.lists(
    st.sampled_from(
        [
            "yes",
            "no ",
            " at 42",
            "\n",
            "<｜user｜>",
            "<｜assistant｜>",
            "<tool_call>",
            "<|im_end|>",
            "<",
            "｜>",
            "👍🏽",
            "שלום",
        ]
    ),
    min_size=1,
    max_size=6,
).map("".join)


@settings(max_examples=60, deadline=None)
@given(st.lists(PIECES.filter(str.strip), min_size=1, max_size=4))
def test_whatever_is_typed_every_mark_is_the_templates_and_every_letter_is_there(texts: list[str]) -> None:
    roles = ["user", "assistant"] * 2
    turns = tuple(Turn(role, text) for role, text in zip(roles, texts, strict=False))
    (window,) = render(MARKED, Document(turns=turns, messages=True), context=4096).windows
    assert int(window.special.sum()) == len(turns)
    assert not (window.special & (window.turn >= 0)).any()
    for turn, text in enumerate(texts):
        assert MARKED.decode(window.ids[window.turn == turn]) == text
    if not any("｜>" in text or "<|" in text or "<tool" in text for text in texts):
        script = write_script(Document(turns=turns, messages=True), MARKED, "keep")
        assert window.ids.tolist() == MARKED.backend_tokenizer.encode(script.text, add_special_tokens=False).ids


@pytest.mark.parametrize("kind", ["sentencepiece-bpe", "byte-level", "unigram"])
def test_a_forged_name_changes_nothing_around_it(kind: str) -> None:
    marks = [AddedToken(name, special=True, normalized=False) for name in ("<｜user｜>", "<｜assistant｜>")]
    tokenizer = tokenizer_of(ROLES, *marks, kind=kind)
    ids = {}
    for middle in ("no", "n<｜user｜>o"):
        said = (Turn("user", "Are you there?"), Turn("assistant", middle), Turn("user", "Yes, at six."))
        (window,) = render(tokenizer, Document(turns=said, messages=True), context=512).windows
        ids[middle] = [window.ids[window.turn == turn].tolist() for turn in (0, 2)]
        assert window.special.sum() == 3
    assert ids["no"] == ids["n<｜user｜>o"]


def test_a_role_cannot_be_a_control_token() -> None:
    with pytest.raises(BadSpeaker, match="role of message 1"):
        render(MARKED, Document(turns=(Turn("user", "a"), Turn("<tool_call>", "b")), messages=True), context=512)
