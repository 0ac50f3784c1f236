"""From a stored document to what a model reads, by the options of the work."""

import hashlib
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from attention.errors import TooLong
from attention.model.model import ModelFacts
from attention.text.controls import permuted_speakers, shuffled_tokens, shuffled_turns
from attention.text.documents import Document, Rendered, Turn
from attention.text.rendering import render, sample_characters, sample_windows
from attention.text.tokens import FastTokenizer, token_reader
from models.schemas.documents import MESSAGE_EXTRAS
from models.work import WorkOptions, work_key


def read_content(content: dict[str, Any]) -> Document:
    """The document in a row's `content` (see `models.schemas.documents.Content`)."""
    if "text" in content:
        return Document(text=content["text"])
    if "turns" in content:
        return Document(turns=tuple(Turn(turn["speaker"], turn["text"]) for turn in content["turns"]))
    turns = tuple(
        Turn(
            message["role"],
            message["content"] or "",
            {name: message[name] for name in MESSAGE_EXTRAS if name in message},
        )
        for message in content["messages"]
    )
    return Document(turns=turns, messages=True)


class TextModel(Protocol):
    """What reading needs of a model: `attention.model.model.Model` has it."""

    @property
    def tokenizer(self) -> FastTokenizer: ...

    @property
    def facts(self) -> ModelFacts: ...


def render_content(model: TextModel, content: dict[str, Any], options: WorkOptions) -> Rendered:
    """Tokens and spans of a document under one model, with what the control changes. Raises DocumentRefused."""
    document = read_content(content)
    seed = 0 if options.sampling is None else options.sampling.seed
    if options.control == "shuffled_turns":
        document = shuffled_turns(document, seed)
    if options.control == "permuted_speakers":
        document = permuted_speakers(document, seed)
    rendered = _rendered(model, document, options)
    return shuffled_tokens(rendered, seed) if options.control == "shuffled_tokens" else rendered


def _rendered(model: TextModel, document: Document, options: WorkOptions) -> Rendered:
    if options.sampling is None:
        return render(
            model.tokenizer, document, context=model.facts.context, overflow=options.overflow, labels=options.labels
        )
    sampling = options.sampling
    if sampling.window_characters is not None:
        return sample_characters(
            model.tokenizer,
            document,
            window_characters=sampling.window_characters,
            count=sampling.count,
            seed=sampling.seed,
            context=model.facts.context,
            first_window=sampling.first_window,
            labels=options.labels,
        )
    if sampling.window_tokens > model.facts.context:
        raise TooLong(
            f"windows of {sampling.window_tokens} tokens were asked for, and the model reads {model.facts.context} at "
            "once; ask for smaller windows",
            tokens=sampling.window_tokens,
            limit=model.facts.context,
        )
    return sample_windows(
        model.tokenizer,
        document,
        window_tokens=sampling.window_tokens,
        count=sampling.count,
        seed=sampling.seed,
        first_window=sampling.first_window,
        labels=options.labels,
    )


def of_ordinary_words(model: TextModel, rendered: Rendered) -> Rendered:
    """The same windows with one ordinary token in every place: on it a network fails only for reasons of its own."""
    token = token_reader(model.tokenizer).read("a").ids[0]
    return replace(
        rendered,
        windows=tuple(replace(window, ids=np.full_like(window.ids, token)) for window in rendered.windows),
        first=None,
    )


def key_of(model: TextModel, rendered: Rendered, options: WorkOptions) -> bytes:
    """The name of the measurement that this rendering leads to under these options.

    The speakers' names enter it too: without labels the tokens do not tell them, and a measurement lists them.
    """
    names = "\0".join(rendered.speakers).encode()
    more = b"\0layer embeddings" if options.layer_embeddings else b""
    digest = hashlib.sha256(rendered.digest() + names + more).digest()
    return work_key(digest, model.facts.revision, model.facts.weights_sha256, model.facts.dtype)
