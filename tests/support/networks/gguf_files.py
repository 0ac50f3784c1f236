"""GGUF files written from small random networks, as the converters of that format write them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from numpy.typing import NDArray
from tiny_models import tiny_tokenizer

NAMES = {
    "embed_tokens": "token_embd",
    "norm": "output_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
"""What a network of the Llama kind calls its weights, and what the format does."""


def write_gguf(
    file: Path,
    network: Any,
    architecture: str = "llama",
    *,
    split: str = "gpt-2",
    kind: str = "F32",
    tensors: dict[str, NDArray[np.float32]] | None = None,
    vocabulary: Callable[[gguf.GGUFWriter, str], None] | None = None,
    **settings: Any,
) -> Path:
    """Write a network and a byte-level tokenizer; matrices in blocks of `kind`, what has one dimension in F32.

    `tensors` are written beside the network's own, `settings` beside the usual ones, with `__` for a dot;
    `vocabulary` writes another tokenizer.
    """
    config = network.config
    writer = gguf.GGUFWriter(file, architecture)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    (vocabulary or write_vocabulary)(writer, split)
    for name, value in settings.items():
        setting = f"{architecture}.{name.replace('__', '.')}"
        add = {str: writer.add_string, float: writer.add_float32}.get(type(value), writer.add_uint32)
        add(setting, value)
    for name, weight in network.state_dict().items():
        values = weight.float().numpy()
        if architecture == "llama" and ("q_proj" in name or "k_proj" in name):
            heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
            values = as_pairs(values, heads)
        add_tensor(writer, gguf_name(name), values, kind)
    for name, values in (tensors or {}).items():
        add_tensor(writer, name, values, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def gguf_name(name: str) -> str:
    """The format's name of a weight."""
    *layer, rest = name.rpartition(".")[0].split(".", 2) if name.startswith("layers.") else [name.rpartition(".")[0]]
    place = f"blk.{layer[1]}." if layer else ""
    return f"{place}{NAMES[rest]}.{name.rpartition('.')[2]}"


def as_pairs(values: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows of a query or key projection with the two halves of each head interleaved, as Llama files have them."""
    by_half = values.reshape(heads, 2, -1, *values.shape[1:])
    return by_half.swapaxes(1, 2).reshape(values.shape)


def add_tensor(writer: gguf.GGUFWriter, name: str, values: NDArray[np.float32], kind: str) -> None:
    """One tensor, in blocks where it is a matrix whose rows are whole blocks."""
    chosen = gguf.GGMLQuantizationType[kind]
    whole = values.ndim > 1 and values.shape[-1] % gguf.GGML_QUANT_SIZES[chosen][0] == 0
    if kind == "F32" or not whole:
        writer.add_tensor(name, np.ascontiguousarray(values, np.float32))
    else:
        writer.add_tensor(name, gguf.quantize(np.ascontiguousarray(values, np.float32), chosen), raw_dtype=chosen)


def rounded(network: Any, kind: str) -> Any:
    """The network with every matrix rounded to what blocks of `kind` hold, for comparison."""
    chosen = gguf.GGMLQuantizationType[kind]
    for weight in network.state_dict().values():
        if weight.ndim > 1 and weight.shape[-1] % gguf.GGML_QUANT_SIZES[chosen][0] == 0:
            values = weight.numpy().copy()
            weight.copy_(torch.from_numpy(gguf.dequantize(gguf.quantize(values, chosen), chosen).copy()))
    return network


def write_vocabulary(
    writer: gguf.GGUFWriter, split: str, *, marks: Sequence[tuple[str, int]] = (), begun: bool | None = False
) -> None:
    """The byte-level tokenizer of the tests, with `marks` of a type of the format behind its words.

    `begun` says whether texts begin with a mark; with None the file does not say.
    """
    tokenizer = tiny_tokenizer("byte-level")
    tokens, merges = words_and_merges(tokenizer)
    special = {token for token, added in tokenizer.added_tokens_encoder.items()}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(split)
    writer.add_token_list([*tokens, *(mark for mark, _ in marks)])
    writer.add_token_types([*(3 if token in special else 1 for token in tokens), *(kind for _, kind in marks)])
    writer.add_token_merges(merges)
    if begun is not None:
        writer.add_add_bos_token(begun)
    for name, add in (("eos_token_id", writer.add_eos_token_id), ("bos_token_id", writer.add_bos_token_id)):
        if getattr(tokenizer, name) is not None:
            add(getattr(tokenizer, name))


def write_pieces(writer: gguf.GGUFWriter, split: str, *, spaced: bool | None = None) -> None:
    """The tokenizer of the tests that is like SentencePiece's: pieces with scores, and no merges.

    `spaced` says whether texts get a space before their beginning; with None the file does not say.
    """
    tokenizer = tiny_tokenizer("sentencepiece-bpe")
    tokens, merges = words_and_merges(tokenizer)
    first = {merge.replace(" ", ""): rank for rank, merge in reversed(list(enumerate(merges)))}
    kinds = {"<unk>": 2, "<s>": 3, "</s>": 3}
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre(split)
    writer.add_token_list(tokens)
    writer.add_token_types([kinds.get(token, 6 if token.startswith("<0x") else 1) for token in tokens])
    writer.add_token_scores([-float(first.get(token, 1e6)) for token in tokens])
    for name in ("bos", "eos", "unk"):
        getattr(writer, f"add_{name}_token_id")(getattr(tokenizer, f"{name}_token_id"))
    if spaced is not None:
        writer.add_add_space_prefix(spaced)


def words_and_merges(tokenizer: Any) -> tuple[list[str], list[str]]:
    """A tokenizer's words in order of their numbers, and its merges as this format writes them."""
    stored = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    words = [word for word, _ in sorted(stored["vocab"].items(), key=lambda entry: entry[1])]
    return words, [merge if isinstance(merge, str) else " ".join(merge) for merge in stored["merges"]]
