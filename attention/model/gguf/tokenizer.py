"""A tokenizer from the settings of a GGUF file: its vocabulary, its merges, and how it splits a text before them.

A file names the split of a byte-level vocabulary (`tokenizer.ggml.pre`) instead of holding it. Transformers knows some
names, and takes GPT-2's split without a word for any other: those are refused here, but for the ones in `SPLITS`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tokenizers import normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast
from transformers.integrations.gguf.gguf_tokenizer_mapping import (
    GGUF_PRE_TOKENIZER_SPLITS,
    convert_gguf_tokenizer,
    get_gguf_tokenizer,
)

from attention.errors import IncompleteModel, SlowTokenizer
from attention.model.gguf.header import GgufHeader

BYTE_LEVEL: Final = "gpt2"
"""What `tokenizer.ggml.model` is for a byte-level vocabulary, whose split has a name of its own."""


def _single_digits() -> Any:
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )


def _as_gpt2() -> Any:
    return pre_tokenizers.ByteLevel(add_prefix_space=False)


SPLITS: Final[dict[str, Callable[[], Any]]] = {
    "gpt-2": _as_gpt2,
    "smollm": _single_digits,
    "starcoder": _single_digits,
}
"""Splits as the tokenizer.json of their models has them."""

WHOLE_WORDS: Final = frozenset({"llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "tekken"})
"""Splits of vocabularies in which a word that is a token is that token, whatever the merges would make of it."""

COMPOSED: Final = frozenset({"qwen2", "deepseek-r1-qwen", "qwen35"})
"""Splits of vocabularies that read texts in Unicode's composed form (NFC)."""


def gguf_tokenizer(model: str, file: Path, header: GgufHeader) -> PreTrainedTokenizerFast:
    """The tokenizer of a checked GGUF file, with its control tokens and chat template.

    Raises SlowTokenizer for a vocabulary or a split that is not known, IncompleteModel for a damaged one.
    """
    split = header.settings.get("tokenizer.ggml.pre")
    byte_level = header.settings.get("tokenizer.ggml.model") == BYTE_LEVEL
    if byte_level and split not in SPLITS and split not in GGUF_PRE_TOKENIZER_SPLITS:
        known = ", ".join(sorted({*SPLITS, *GGUF_PRE_TOKENIZER_SPLITS}))
        raise SlowTokenizer(
            f"the tokenizer of {model} splits texts by the rule `{split}`, which is not known, so its tokens would be "
            f"others; serve the model from its safetensors, with its tokenizer.json (known are {known})"
        )
    try:
        architecture, vocabulary, stated = get_gguf_tokenizer(str(file))
        backend, _ = convert_gguf_tokenizer(architecture, vocabulary)
        if byte_level:
            _as_published(backend, str(split))
        named = {name: stated.get(name) for name in ("bos_token", "eos_token", "unk_token", "pad_token")}
        _surrounded(backend, stated, named)
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=backend, **{name: token for name, token in named.items() if token is not None}
        )
    except Exception as error:  # which errors the libraries raise depends on the file
        raise IncompleteModel(f"the tokenizer of {model} cannot be read from {file.name}: {error}") from error
    tokenizer.chat_template = stated.get("chat_template")
    return tokenizer


def _as_published(backend: Any, split: str) -> None:
    """What the tokenizer.json of a split's models has, and the file does not say."""
    if split in SPLITS:
        backend.pre_tokenizer = SPLITS[split]()
    if split in WHOLE_WORDS:
        backend.model.ignore_merges = True
    if split in COMPOSED:
        backend.normalizer = normalizers.NFC()


def _surrounded(backend: Any, stated: dict[str, Any], named: dict[str, Any]) -> None:
    """Put around every text the tokens that the file says: none where it says none."""
    before = [named["bos_token"]] if stated.get("add_bos_token") and named["bos_token"] else []
    after = [named["eos_token"]] if stated.get("add_eos_token") and named["eos_token"] else []
    if not before and not after:
        backend.post_processor = processors.ByteLevel(trim_offsets=True)
        return
    backend.post_processor = processors.TemplateProcessing(
        single=[*before, "$A", *after],
        special_tokens=[(token, backend.token_to_id(token)) for token in dict.fromkeys([*before, *after])],
    )
