"""On real documents little of a pass is padding."""

import json
import os
from pathlib import Path

import pytest

from attention.batches import passes
from attention.conversation import Document, Turn, render
from attention.model import open_model, packaged_minilm
from models.settings import Settings

CORPORA = Path(os.environ.get("HEARKEN_CORPORA", "corpora"))
FILES = sorted(CORPORA.glob("*.jsonl"))

pytestmark = [
    pytest.mark.corpora,
    pytest.mark.skipif(not FILES, reason="HEARKEN_CORPORA does not name the corpus folder"),
]


@pytest.mark.parametrize("path", FILES or [CORPORA], ids=lambda path: path.stem)
def test_less_than_a_twentieth_of_a_domains_passes_is_padding(path: Path) -> None:
    model = open_model(packaged_minilm())
    lengths = []
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        turns = tuple(Turn(turn["speaker"], turn["text"]) for turn in entry.get("turns", ()))
        document = Document(turns=turns) if turns else Document(text=entry["text"])
        rendered = render(model.tokenizer, document, context=model.facts.context)
        lengths += [len(window) for window in rendered.windows]
    plan = passes(lengths, Settings().token_budget)
    padded = sum(max(lengths[index] for index in each) * len(each) for each in plan)
    assert 1 - sum(lengths) / padded < 0.05
