"""On real documents little of a pass is padding."""

import json
import os
from pathlib import Path

import pytest
from project_tree import SAMPLES

from attention.measure.grouping import padded_share
from attention.measure.pass_memory import CPU_TOKENS
from attention.model.model import Model
from attention.text.documents import Document, Turn
from attention.text.rendering import render

CORPORA = os.environ.get("HEARKEN_CORPORA")
NAMES = ("conversation", "code", "math", "web")


def padding(model: Model, path: Path) -> float:
    """Share of padding among the tokens that the passes over a file of documents compute."""
    lengths = []
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        turns = tuple(Turn(turn["speaker"], turn["text"]) for turn in entry.get("turns", ()))
        document = Document(turns=turns) if turns else Document(text=entry["text"])
        rendered = render(model.tokenizer, document, context=model.facts.context)
        lengths += [len(window) for window in rendered.windows]
    return padded_share(lengths, CPU_TOKENS)[1]


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.jsonl")), ids=lambda path: path.stem)
def test_less_than_a_twentieth_of_a_samples_passes_is_padding(minilm: Model, path: Path) -> None:
    assert padding(minilm, path) < 0.05


@pytest.mark.corpora
@pytest.mark.skipif(not CORPORA, reason="HEARKEN_CORPORA does not name the corpus folder")
@pytest.mark.parametrize("name", NAMES)
def test_less_than_a_twentieth_of_a_domains_passes_is_padding(minilm: Model, name: str) -> None:
    assert padding(minilm, Path(CORPORA or "") / f"{name}.jsonl") < 0.05
