"""Small random models with real fast tokenizers, made on the spot and saved as safetensors folders.

Weights are drawn wide enough that attention is far from uniform. Tokenizers are trained here on a few sentences in
several scripts, one of each kind that matters: byte-level BPE, SentencePiece-like BPE and Unigram, WordPiece.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SENTENCES = (
    "Are you coming to the lake tonight? Yes, at six, if the bus runs on time.",
    "The kettle is on, and the second window still does not close properly.",
    "No, I said the blue folder, not the green one; it's under the maps.",
    "She counted 42 boats, 7 buoys and one very patient heron.",
    "Wir treffen uns um zehn Uhr vor der Bäckerei, nicht später.",
    "¿Dónde está la llave? La dejé sobre la mesa ayer por la mañana.",
    "מה שלומך היום? הכול בסדר, תודה רבה.",
    "كيف حالك اليوم؟ بخير، شكرا جزيلا.",
    "今日は天気がいいですね。散歩に行きましょう。",
    "Ana: well...\nBo: (laughs) right!\nAna: OK.\n\n",
    "def area(width, height):\n    return width * height\n",
)

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
INSTRUCTIONS = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] | trim + ' [/INST]' }}"
    "{% else %}{{ ' ' + message['content'] | trim + eos_token }}{% endif %}{% endfor %}"
)

KINDS = ("byte-level", "byte-level-nfc", "sentencepiece-bpe", "unigram", "wordpiece")
KIND_OF_FAMILY = {
    "bert": "wordpiece",
    "gpt2": "byte-level",
    "llama": "sentencepiece-bpe",
    "mistral": "sentencepiece-bpe",
    "qwen2": "byte-level-nfc",
    "qwen3": "byte-level-nfc",
}


def tiny_tokenizer(kind: str, *, chat_template: str | None = None) -> Any:
    """A fast tokenizer of transformers of one of KINDS; about 600 tokens."""
    from transformers import PreTrainedTokenizerFast

    text, named = _trained(kind)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(text), **named)
    tokenizer.chat_template = chat_template
    return tokenizer


def tiny_model(
    folder: Path,
    family: str = "llama",
    *,
    layers: int = 2,
    heads: int = 4,
    key_value_heads: int = 2,
    hidden: int = 32,
    context: int = 128,
    sliding_window: int | None = None,
    seed: int = 0,
    chat_template: str | None = None,
    **settings: Any,
) -> Path:
    """Save a random model of a family with its kind of tokenizer under `folder`, and return the folder.

    Llama, Mistral and Qwen share keys and values between query heads (`key_value_heads`); `sliding_window` applies to
    Mistral. `settings` go to the configuration as they are.
    """
    import torch
    from transformers import AutoConfig, AutoModel

    tokenizer = tiny_tokenizer(KIND_OF_FAMILY[family], chat_template=chat_template)
    shape: dict[str, Any] = {"vocab_size": len(tokenizer), "initializer_range": 0.3}
    if family == "gpt2":
        shape |= {"n_layer": layers, "n_head": heads, "n_embd": hidden, "n_positions": context}
    else:
        shape |= {
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "hidden_size": hidden,
            "intermediate_size": 2 * hidden,
            "max_position_embeddings": context,
        }
    if family not in ("gpt2", "bert"):
        shape["num_key_value_heads"] = key_value_heads
    if family == "qwen3":
        shape["head_dim"] = hidden // heads
    if family == "mistral":
        shape["sliding_window"] = sliding_window
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        shape[name] = getattr(tokenizer, name)
    config = AutoConfig.for_model(family, **(shape | settings))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = AutoModel.from_config(config, dtype=torch.float32)
    folder.mkdir(parents=True, exist_ok=True)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@cache
def _trained(kind: str) -> tuple[str, dict[str, str]]:
    """A trained tokenizer as JSON, and its named special tokens."""
    special, named = _special_tokens(kind)
    tokenizer = _untrained(kind)
    settings: dict[str, Any] = {"special_tokens": special, "show_progress": False}
    match kind:
        case "byte-level" | "byte-level-nfc":
            trainer = trainers.BpeTrainer(
                vocab_size=600, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **settings
            )
        case "sentencepiece-bpe":
            settings["special_tokens"] = special + [f"<0x{byte:02X}>" for byte in range(256)]
            trainer = trainers.BpeTrainer(vocab_size=700, **settings)
        case "unigram":
            trainer = trainers.UnigramTrainer(vocab_size=400, unk_token="<unk>", **settings)
        case "wordpiece":
            trainer = trainers.WordPieceTrainer(vocab_size=500, **settings)
        case _:
            raise ValueError(kind)
    # SentencePiece never lets a piece cross a line.
    lines = [line for sentence in SENTENCES for line in sentence.split("\n")]
    tokenizer.train_from_iterator((lines if kind in ("sentencepiece-bpe", "unigram") else list(SENTENCES)) * 3, trainer)
    text = tokenizer.to_str()
    if kind == "sentencepiece-bpe":  # bytes are vocabulary, not control tokens
        content = json.loads(text)
        content["added_tokens"] = [token for token in content["added_tokens"] if token["content"] in special]
        text = json.dumps(content)
        tokenizer = Tokenizer.from_str(text)
    around = _around(kind, tokenizer)
    if around is not None:
        tokenizer.post_processor = around
    return tokenizer.to_str(), named


def _special_tokens(kind: str) -> tuple[list[str], dict[str, str]]:
    match kind:
        case "byte-level":
            return ["<|endoftext|>"], {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
        case "byte-level-nfc":
            return (
                ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
                {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
            )
        case "wordpiece":
            named = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
            return [*named.values(), "[MASK]"], named | {"mask_token": "[MASK]"}
        case _:
            named = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
            return list(named.values()), named


def _untrained(kind: str) -> Tokenizer:
    match kind:
        case "byte-level":
            tokenizer = Tokenizer(models.BPE())
            tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            tokenizer.decoder = decoders.ByteLevel()
        case "byte-level-nfc":  # punctuation takes line breaks along, as in the vocabularies of larger models
            tokenizer = Tokenizer(models.BPE())
            tokenizer.normalizer = normalizers.NFC()
            words = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
            tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
                [
                    pre_tokenizers.Split(Regex(words), behavior="isolated"),
                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
                ]
            )
            tokenizer.decoder = decoders.ByteLevel()
        case "sentencepiece-bpe":
            tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
            tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
            tokenizer.decoder = decoders.Sequence(
                [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
            )
        case "unigram":
            tokenizer = Tokenizer(models.Unigram())
            tokenizer.normalizer = normalizers.Sequence(
                [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
            )
            tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
            tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
        case _:
            tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
            tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
            tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
            tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def _around(kind: str, tokenizer: Tokenizer) -> Any:
    """What the tokenizer puts around a sequence."""

    def place(single: str, *tokens: str) -> Any:
        return processors.TemplateProcessing(
            single=single, special_tokens=[(token, tokenizer.token_to_id(token)) for token in tokens]
        )

    match kind:
        case "wordpiece":
            return place("[CLS] $A [SEP]", "[CLS]", "[SEP]")
        case "sentencepiece-bpe":
            return place("<s> $A", "<s>")
        case "unigram":
            return place("$A </s>", "</s>")
        case _:
            return processors.ByteLevel(trim_offsets=True)
