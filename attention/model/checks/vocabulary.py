"""A tokenizer against the network that it is for, and against its own settings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from attention.errors import IncompleteModel
from attention.text.tokens import FastTokenizer, token_reader

SETTINGS: Final = "tokenizer_config.json"


def rows_of(network: Any) -> int:
    """How many tokens a network has an embedding for."""
    try:
        return int(network.get_input_embeddings().num_embeddings)
    except (AttributeError, NotImplementedError):
        return int(network.config.vocab_size)


def check_vocabulary(model: str, tokenizer: FastTokenizer, rows: int) -> Iterator[str]:
    """Sentences about added tokens that the network has no embedding for; a document with one is refused by itself.

    Raises IncompleteModel where ordinary words are such tokens: then tokenizer and weights are not of one model.
    """
    ordinary = tokenizer.backend_tokenizer.get_vocab(with_added_tokens=False)
    added = tokenizer.backend_tokenizer.get_added_tokens_decoder()
    beyond = [token for token, number in ordinary.items() if number >= rows and number not in added]
    if beyond:
        raise IncompleteModel(
            f"the tokenizer of {model} has {len(beyond)} tokens that its network has no embedding for, such as "
            f"{beyond[0]!r}; they are not of one model, so copy both from one place"
        )
    names = [token.content for number, token in sorted(added.items()) if number >= rows]
    if names:
        yield (
            f"Its network has no embedding for {len(names)} tokens added to its tokenizer, such as {names[0]}; "
            "documents with them are refused."
        )


def differing_settings(folder: Path, tokenizer: FastTokenizer) -> Iterator[str]:
    """Sentences about what tokenizer_config.json says and tokenizer.json, which transformers follows, does not do."""
    try:
        stated = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    reader = token_reader(tokenizer)
    for setting, named, around in (
        ("add_bos_token", "bos_token_id", reader.prefix),
        ("add_eos_token", "eos_token_id", reader.suffix),
    ):
        wanted, token = stated.get(setting), getattr(tokenizer, named, None)
        if not isinstance(wanted, bool) or token is None or wanted == (token in around):
            continue
        yield (
            f"Its {SETTINGS} says {setting} = {str(wanted).lower()}, and its tokenizer.json "
            f"{'does not put' if wanted else 'puts'} that token there; as in transformers, tokenizer.json is followed."
        )
