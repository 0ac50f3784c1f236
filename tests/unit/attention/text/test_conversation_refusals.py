"""A document that cannot be measured is refused with the place and the remedy."""

import pytest
from tiny_models import tiny_tokenizer

from attention.errors import BadSpeaker, EmptyDocument, EmptyTurn, UnreadableText
from attention.text.documents import Document, Turn
from attention.text.rendering import render

TOKENIZER = tiny_tokenizer("wordpiece")


@pytest.mark.parametrize("text", ["", " \n\t", "\u3000"])
def test_a_text_without_words_is_empty(text: str) -> None:
    with pytest.raises(EmptyDocument):
        render(TOKENIZER, Document(text=text), context=64)


def test_a_conversation_without_turns_is_empty() -> None:
    with pytest.raises(EmptyDocument, match="no turns"):
        render(TOKENIZER, Document(turns=()), context=64)


@pytest.mark.parametrize("document", [Document(text="\u200b\u0300"), Document(turns=(Turn("Ana", "\u0300"),))])
def test_what_the_tokenizer_reads_nothing_of_is_empty(document: Document) -> None:
    with pytest.raises(EmptyDocument, match="no token"):
        render(TOKENIZER, document, context=64)


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_an_empty_turn_is_refused_with_its_index(text: str) -> None:
    turns = (Turn("Ana", "yes"), Turn("Bo", "no"), Turn("Ana", text), Turn("Bo", ""))
    with pytest.raises(EmptyTurn, match="turn 2 has no text") as refused:
        render(TOKENIZER, Document(turns=turns), context=64)
    assert refused.value.index == 2


@pytest.mark.parametrize("speaker", ["", "  ", "Ana\nBo: yes", "Ana\r", "Ana\u2028Bo"])
def test_a_speakers_name_is_one_line(speaker: str) -> None:
    with pytest.raises(BadSpeaker) as refused:
        render(TOKENIZER, Document(turns=(Turn("Bo", "yes"), Turn(speaker, "no"))), context=64)
    assert refused.value.index == 1


@pytest.mark.parametrize("document", [Document(text="a\ud800b"), Document(turns=(Turn("Ana", "\udfff"),))])
def test_half_a_surrogate_pair_is_refused(document: Document) -> None:
    with pytest.raises(UnreadableText, match="surrogate"):
        render(TOKENIZER, document, context=64)


@pytest.mark.parametrize("document", [Document(), Document(text="a", turns=(Turn("Ana", "a"),))])
def test_a_document_is_either_a_text_or_turns(document: Document) -> None:
    with pytest.raises(ValueError, match="either"):
        render(TOKENIZER, document, context=64)
