"""Controls take away one thing of a document and keep everything else."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import tiny_model, tiny_tokenizer

from attention.errors import DocumentRefused
from attention.model.loading import open_model
from attention.model.model import ModelSource
from attention.text.controls import permuted_speakers, shuffled_tokens, shuffled_turns
from attention.text.documents import Document, Turn
from attention.text.rendering import sample_windows

TALK = Document(turns=tuple(Turn(("Ana", "Bo", "Cy")[n % 3], f"Boat number {n} is late.") for n in range(12)))


def test_shuffled_turns_are_the_same_turns_in_another_order() -> None:
    shuffled = shuffled_turns(TALK, 0)
    assert shuffled.turns is not None
    assert TALK.turns is not None
    assert Counter(shuffled.turns) == Counter(TALK.turns)
    assert shuffled.turns != TALK.turns
    assert shuffled_turns(TALK, 0) == shuffled
    assert shuffled_turns(TALK, 1) != shuffled


def test_permuted_speakers_keep_every_text_in_its_place_and_each_speakers_count() -> None:
    permuted = permuted_speakers(TALK, 0)
    assert permuted.turns is not None
    assert TALK.turns is not None
    assert [turn.text for turn in permuted.turns] == [turn.text for turn in TALK.turns]
    speakers = [turn.speaker for turn in permuted.turns]
    assert Counter(speakers) == {"Ana": 4, "Bo": 4, "Cy": 4}
    assert speakers != [turn.speaker for turn in TALK.turns]


@pytest.mark.parametrize("control", [shuffled_turns, permuted_speakers])
def test_a_text_has_no_turns_to_take_apart(control: object) -> None:
    with pytest.raises(DocumentRefused, match="no turns"):
        control(Document(text="The boats are late."), 0)  # type: ignore[operator]


def test_shuffled_tokens_move_content_within_its_window_and_nothing_else() -> None:
    tokenizer = tiny_tokenizer("wordpiece")
    rendered = sample_windows(tokenizer, TALK, window_tokens=40, count=2, seed=0)
    shuffled = shuffled_tokens(rendered, 0)
    for before, after in zip(rendered.windows, shuffled.windows, strict=True):
        content = ~before.scaffold
        assert not np.array_equal(after.ids[content], before.ids[content])
        assert np.array_equal(np.sort(after.ids[content]), np.sort(before.ids[content]))
        assert np.array_equal(after.ids[~content], before.ids[~content])
        assert np.array_equal(after.turn, before.turn)
    assert shuffled.digest() != rendered.digest()
    assert shuffled.digest() == shuffled_tokens(rendered, 0).digest()


@pytest.mark.parametrize("family", ["bert", "llama"])
def test_an_untrained_model_is_the_same_architecture_with_other_weights_by_its_seed(
    tmp_path: Path, family: str
) -> None:
    folder = tiny_model(tmp_path / "model", family, seed=7)
    trained = open_model(ModelSource(id="m", path=folder))
    state = torch.random.get_rng_state()
    first, again, other = (open_model(ModelSource(id="m", path=folder, untrained_seed=seed)) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert first.facts.weights_sha256 == again.facts.weights_sha256
    assert len({model.facts.weights_sha256 for model in (trained, first, other)}) == 3
    assert len({model.facts.revision for model in (trained, first, other)}) == 3
    shape = ("architecture", "layers", "heads", "hidden_size", "parameters", "causal", "context")
    assert all(getattr(first.facts, name) == getattr(trained.facts, name) for name in shape)
    weights = [dict(model.network.named_parameters()) for model in (trained, first, again, other)]
    name = next(name for name in weights[0] if "q_proj" in name or "query.weight" in name)
    assert torch.equal(weights[1][name], weights[2][name])
    assert not torch.equal(weights[1][name], weights[0][name])
    assert not torch.equal(weights[1][name], weights[3][name])
