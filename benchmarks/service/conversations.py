"""Conversations of one shape and of different words, which the packaged encoder reads as 189 tokens in 11 turns."""

import random
from typing import Any

from attention.model.model import Model
from attention.text.documents import Rendered
from models.work import WorkOptions
from workers.measuring.documents import render_content

TOKENS = 189
TURNS = 11
SPEAKERS = ("Ana", "Bo")
WORDS = (
    "the river runs past old houses where people talk about rain and bread until evening comes again then they go "
    "home while one of them stays to look at water stone light fire road hand door window table green white black small"
)


def conversation(seed: int) -> dict[str, Any]:
    """The content of one conversation; another seed gives other words, so that no two are the same work."""
    chance = random.Random(seed)
    words = chance.choices(WORDS.split(), k=TOKENS - 2 - 2 * TURNS)
    cuts = [place * len(words) // TURNS for place in range(TURNS + 1)]
    turns = [
        {"speaker": SPEAKERS[turn % 2], "text": " ".join(words[cuts[turn] : cuts[turn + 1]])} for turn in range(TURNS)
    ]
    return {"turns": turns}


def rendered(model: Model, seed: int) -> Rendered:
    """One conversation as the model's tokens."""
    return render_content(model, conversation(seed), WorkOptions())
