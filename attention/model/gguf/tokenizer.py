"""A tokenizer from the settings of a GGUF file: its vocabulary, its merges, and how it splits a text before them.

A file names the split of a byte-level vocabulary (`tokenizer.ggml.pre`) instead of holding it. Transformers knows some
names, and takes GPT-2's split without a word for any other: those are refused here, but for the ones in `SPLITS`. What
a file leaves unsaid is as the format's own reader has it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast
from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS, select_tokenizer_builder

from attention.errors import IncompleteModel, SlowTokenizer
from attention.model.gguf.header import GgufHeader
from attention.model.gguf.vocabulary import CONTROL, USER_DEFINED, Vocabulary

BYTE_LEVEL: Final = "gpt2"
"""What `tokenizer.ggml.model` is for a byte-level vocabulary, whose split has a name of its own."""
SENTENCEPIECE: Final = "llama"
KINDS: Final = (BYTE_LEVEL, SENTENCEPIECE, "gemma4")


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

STARTED: Final = frozenset(
    {
        "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano",
        "tekken",
    }
)  # fmt: skip
"""Splits of vocabularies in which a word that is a token is that token, whatever the merges would make of it, and
whose texts begin with a mark where the file does not say otherwise."""

COMPOSED: Final = frozenset({"qwen2", "deepseek-r1-qwen", "qwen35"})
"""Splits of vocabularies that read texts in Unicode's composed form (NFC)."""


def gguf_tokenizer(model: str, header: GgufHeader) -> PreTrainedTokenizerFast:
    """The tokenizer of a checked GGUF file, with its control tokens and chat template.

    Raises SlowTokenizer for a vocabulary or a split that is not known, IncompleteModel for a damaged one.
    """
    vocabulary = Vocabulary(model, header)
    kind = vocabulary.stated("model")
    if kind not in KINDS:
        raise SlowTokenizer(
            f"the tokenizer of {model} is of the kind `{kind}`, which cannot be built from a GGUF file (known are "
            f"{', '.join(KINDS)}); serve the model from its safetensors, with its tokenizer.json"
        )
    template = header.settings.get("tokenizer.chat_template")
    if template is not None and not isinstance(template, str):
        raise IncompleteModel(f"the chat template of {model} is no text; convert the model again")
    try:
        backend = _byte_level(vocabulary) if kind == BYTE_LEVEL else _sentencepiece(vocabulary, kind)
        _add_marks(backend, vocabulary)
        _surround(backend, vocabulary, kind)
        named = {name: token for name, token in vocabulary.named.items() if token is not None}
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, **named)
    except (IncompleteModel, SlowTokenizer):
        raise
    except Exception as error:  # which errors the libraries raise depends on the file
        raise IncompleteModel(f"the tokenizer of {model} cannot be read from its GGUF file: {error}") from error
    tokenizer.chat_template = template
    return tokenizer


def _byte_level(vocabulary: Vocabulary) -> Tokenizer:
    split = vocabulary.stated("pre")
    if split not in SPLITS and split not in GGUF_PRE_TOKENIZER_SPLITS:
        known = ", ".join(sorted({*SPLITS, *GGUF_PRE_TOKENIZER_SPLITS}))
        raise SlowTokenizer(
            f"the tokenizer of {vocabulary.model} splits texts by the rule `{split}`, which is not known, so its "
            "tokens would be others; serve the model from its safetensors, with its tokenizer.json (known are "
            f"{known})"
        )
    numbers = vocabulary.byte_level
    merges = vocabulary.merges(numbers)
    if merges is None:
        raise IncompleteModel(f"the GGUF file of {vocabulary.model} has no merges; convert the model again")
    backend = Tokenizer(models.BPE(vocab=numbers, merges=merges, ignore_merges=split in STARTED))
    if split in SPLITS:
        backend.pre_tokenizer = SPLITS[split]()
    else:
        words = pre_tokenizers.Split(Regex(GGUF_PRE_TOKENIZER_SPLITS[split]), behavior="isolated")
        bytes_of = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        backend.pre_tokenizer = pre_tokenizers.Sequence([words, bytes_of])
    if split in COMPOSED:
        backend.normalizer = normalizers.NFC()
    backend.decoder = decoders.ByteLevel()
    return backend


def _sentencepiece(vocabulary: Vocabulary, kind: str) -> Tokenizer:
    """As transformers builds it, without marks that it would add whether or not they are in the vocabulary."""
    if vocabulary.flag("remove_extra_whitespaces", usual=False):
        raise SlowTokenizer(
            f"the tokenizer of {vocabulary.model} leaves out white space, so its tokens cannot be given to the text; "
            "serve the model from its safetensors, with its tokenizer.json"
        )
    architecture = vocabulary.header.architecture
    words = vocabulary.words
    if architecture.startswith("gemma"):  # which spells runs of spaces as such
        words = ["▁" * len(word) if " " in word and not word.strip() else word for word in words]
    numbers = {word: number for number, word in enumerate(words)}
    merges = vocabulary.merges(numbers)
    if merges is None and not vocabulary.scores:
        raise IncompleteModel(f"the GGUF file of {vocabulary.model} has neither scores nor merges; convert it again")
    described: dict[str, Any] = {"tokens": words, "scores": vocabulary.scores}
    if merges is not None:
        described["merges"] = [" ".join(merge) for merge in merges]
    built = select_tokenizer_builder(architecture, kind)(described).backend_tokenizer
    content = json.loads(built.to_str()) | {"added_tokens": [], "post_processor": None}
    if not vocabulary.flag("add_space_prefix", usual=True):
        _drop_first_space(content)
    backend: Tokenizer = Tokenizer.from_str(json.dumps(content))
    return backend


def _drop_first_space(content: dict[str, Any]) -> None:
    """Let no text get a space before its beginning, nor lose one there when it is decoded."""
    splits = content["pre_tokenizer"] or {}
    if splits.get("type") == "Metaspace":
        splits["prepend_scheme"] = "never"
    changes = content["normalizer"] or {}
    if changes.get("type") == "Sequence":
        changes["normalizers"] = [each for each in changes["normalizers"] if each["type"] != "Prepend"]
    steps = content["decoder"]["decoders"] if content["decoder"]["type"] == "Sequence" else []
    steps[:] = [step for step in steps if step["type"] != "Strip"]


def _add_marks(backend: Tokenizer, vocabulary: Vocabulary) -> None:
    """Read marks, and words that are the user's own, whole: each under the number that it has in the vocabulary."""
    for kind, special in ((CONTROL, True), (USER_DEFINED, False)):
        words = [word for word in vocabulary.of_type(kind) if backend.token_to_id(word) is not None]
        added = [AddedToken(word, normalized=False, special=special) for word in words]
        (backend.add_special_tokens if special else backend.add_tokens)(added)


def _surround(backend: Tokenizer, vocabulary: Vocabulary, kind: str) -> None:
    """Put around every text the marks that the file says, and those that the format means where it says nothing."""
    started = kind == SENTENCEPIECE or vocabulary.stated("pre") in STARTED
    before = _mark(vocabulary, "bos", kind, usual=started)
    after = _mark(vocabulary, "eos", kind, usual=False)
    if not before and not after:
        backend.post_processor = processors.ByteLevel(trim_offsets=True)
        return
    backend.post_processor = processors.TemplateProcessing(
        single=[*before, "$A", *after],
        special_tokens=[(token, backend.token_to_id(token)) for token in dict.fromkeys([*before, *after])],
    )


def _mark(vocabulary: Vocabulary, name: str, kind: str, *, usual: bool) -> list[str]:
    setting, token = f"add_{name}_token", vocabulary.named[f"{name}_token"]
    wanted = vocabulary.flag(setting, usual=usual)
    if kind == "gemma4" and name == "bos":  # its flag is set, and its chat template writes the mark itself
        return []
    if wanted and token is None and vocabulary.stated(setting):
        raise IncompleteModel(
            f"the GGUF file of {vocabulary.model} says {setting}, and not which token that is; convert it again"
        )
    return [token] if wanted and token is not None else []
