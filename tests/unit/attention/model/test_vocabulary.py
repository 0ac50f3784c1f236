"""A tokenizer that knows more than its network, or does other than it says, is told of, and never fails a pass."""

import json
from pathlib import Path
from typing import Any

import pytest
from model_folders import edit_config, edit_weights
from tiny_models import tiny_model
from tokenizers import AddedToken

from attention import errors
from attention.measure.analysis import analyse
from attention.model.loading import open_model
from attention.model.model import Model, ModelSource
from attention.text.documents import Document
from attention.text.rendering import render

LONG, SHORT = "Are you coming to the lake tonight? " * 3, "hello there"


def entropies(model: Model, *texts: str) -> list[float]:
    read = [render(model.tokenizer, Document(text=text), context=model.facts.context) for text in texts]
    return [found.document["entropy"] for found in analyse(model, read, token_budget=1000)]


def add_tokens(folder: Path, *tokens: str) -> None:
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in tokens])
    tokenizer.save_pretrained(folder)


def test_added_tokens_without_an_embedding_refuse_the_documents_that_have_them(tmp_path: Path) -> None:
    source = ModelSource(id="tiny", path=tiny_model(tmp_path))
    add_tokens(tmp_path, "myocarditis")
    model = open_model(source)
    assert model.facts.notes == (
        "Its network has no embedding for 1 tokens added to its tokenizer, such as myocarditis; documents with them "
        "are refused.",
    )
    assert entropies(model, SHORT)[0] > 0
    with pytest.raises(errors.TokenUnknown, match=r"'myocarditis'.*has no embedding for"):
        entropies(model, SHORT, "it was myocarditis again")


def test_words_without_an_embedding_refuse_the_model(tmp_path: Path) -> None:
    source = ModelSource(id="tiny", path=tiny_model(tmp_path))
    edit_config(tmp_path, vocab_size=500)
    edit_weights(tmp_path, lambda own: {n: t[:500] if "embed_tokens" in n else t for n, t in own.items()})
    with pytest.raises(errors.IncompleteModel, match="200 tokens that its network has no embedding for"):
        open_model(source)


@pytest.mark.parametrize("family", ["llama", "bert", "gpt2"])
@pytest.mark.parametrize(
    "settings",
    [
        {"pad_token_id": 379},
        {"pad_token_id": 700},
        {"pad_token_id": -1},
        {"return_dict": False},
        {"output_attentions": True},
        {"output_hidden_states": True},
        {"torchscript": True},
        {"problem_type": "regression"},
    ],
    ids=str,
)
def test_settings_that_are_not_of_the_network_change_nothing(
    settings: dict[str, Any], family: str, tmp_path: Path
) -> None:
    source = ModelSource(id="tiny", path=tiny_model(tmp_path, family))
    wanted = entropies(open_model(source), SHORT)
    edit_config(tmp_path, **settings)
    model = open_model(source)
    assert entropies(model, LONG, SHORT)[1:] == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize(("said", "does"), [(True, False), (False, True)])
def test_what_the_settings_say_of_the_beginning_and_the_tokenizer_does_not_do_is_told(
    said: bool, does: bool, tmp_path: Path
) -> None:
    source = ModelSource(id="tiny", path=tiny_model(tmp_path, "llama" if does else "qwen2"))
    file = tmp_path / "tokenizer_config.json"
    settings = json.loads(file.read_text()) | {"add_bos_token": said, "bos_token": "<s>" if does else "<|im_start|>"}
    file.write_text(json.dumps(settings))
    model = open_model(source)
    assert model.facts.special_tokens == int(does)
    (note,) = model.facts.notes
    assert note.startswith(f"Its tokenizer_config.json says add_bos_token = {str(said).lower()}")
    assert ("does not put that token there" in note) is said
