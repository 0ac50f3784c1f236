"""The reference texts, and the scale of a model's profiles that is measured on them.

Twenty-four beginnings of conversations, pages, programs and pieces of mathematics, of 8, 16, 32 and so on to 256 words.
They come with the code, so a scale reveals nothing about anybody's documents and is the same in every installation.
When they change, `attention.definitions.PROFILE` must change too.
"""

import json
from functools import cache
from importlib.resources import files

import numpy as np

from attention.definitions import PROFILE_METRICS
from attention.measure.analysis import analyse
from attention.measure.capture import CaptureOptions
from attention.measure.profile import Scale, profiles
from attention.model.model import Model
from attention.text.documents import Document, Turn
from attention.text.rendering import render


@cache
def reference_documents() -> tuple[Document, ...]:
    """The reference texts, in their order."""
    lines = files("attention.measure").joinpath("reference.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(_document(**json.loads(line)) for line in lines)


def measured_scale(model: Model, token_budget: int) -> Scale:
    """The model's scale: what the reference texts' profiles are, in passes of at most `token_budget` padded tokens.

    Raises what `render` and `analyse` raise.
    """
    rendered = [render(model.tokenizer, document, context=model.facts.context) for document in reference_documents()]
    options = CaptureOptions(flow=False, turn_embeddings=False, turn_metrics=False)
    measured = analyse(model, rendered, token_budget=token_budget, options=options)
    return Scale.of(profiles({name: np.stack([one.heads[name] for one in measured]) for name in PROFILE_METRICS}))


def _document(text: str | None = None, turns: list[dict[str, str]] | None = None) -> Document:
    if turns is None:
        return Document(text=text)
    return Document(text=text, turns=tuple(Turn(turn["speaker"], turn["text"]) for turn in turns))
