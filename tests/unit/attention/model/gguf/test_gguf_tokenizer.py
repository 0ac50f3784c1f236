"""A tokenizer made from a GGUF file reads as the one that the file was made from, or is refused by name."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from gguf_files import words_and_merges, write_pieces, write_vocabulary
from project_tree import ROOT
from tiny_models import tiny_tokenizer

from attention import errors
from attention.model.gguf.header import read_header
from attention.model.gguf.tokenizer import gguf_tokenizer
from attention.text.tokens import token_reader

SAMPLES = "".join(
    (ROOT / "samples" / f"{domain}.jsonl").read_text(encoding="utf-8")[:10_000]
    for domain in ("conversation", "web", "code", "mathematics")
)
MARKS = [("<｜User｜>", 3), ("<｜begin▁of▁text｜>", 3), ("  ", 4), ("<think>", 4)]


def read(folder: Path, write: Callable[[gguf.GGUFWriter, str], None], split: str, **settings: Any) -> Any:
    """The tokenizer of a file without tensors."""
    writer = gguf.GGUFWriter(folder / "m.gguf", "llama")
    write(writer, split)
    for name, value in settings.items():
        (writer.add_string if isinstance(value, str) else writer.add_int32)(f"tokenizer.{name}", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return gguf_tokenizer("tiny", read_header("tiny", folder / "m.gguf"))


def test_pieces_with_scores_read_the_four_domains_as_their_original(tmp_path: Path) -> None:
    ours, original = read(tmp_path, write_pieces, "default"), tiny_tokenizer("sentencepiece-bpe")
    found, wanted = token_reader(ours), token_reader(original)
    np.testing.assert_array_equal(found.read(SAMPLES).ids, wanted.read(SAMPLES).ids)
    np.testing.assert_array_equal(found.prefix, wanted.prefix)
    assert ours.get_vocab() == original.get_vocab()


def test_no_space_is_put_before_a_text_where_the_file_says_so(tmp_path: Path) -> None:
    spaced = token_reader(read(tmp_path, partial(write_pieces, spaced=True), "default"))
    plain = token_reader(read(tmp_path, partial(write_pieces, spaced=False), "default"))
    words, _ = words_and_merges(tiny_tokenizer("sentencepiece-bpe"))
    assert words[spaced.read("the bus").ids[0]].startswith("▁")
    assert not words[plain.read("the bus").ids[0]].startswith("▁")
    assert "".join(words[token] for token in plain.read("the bus").ids) == "the▁bus"


def test_marks_in_letters_beyond_bytes_are_marks_under_their_own_numbers(tmp_path: Path) -> None:
    tokenizer = read(tmp_path, partial(write_vocabulary, marks=MARKS), "deepseek-r1-qwen")
    first = len(words_and_merges(tiny_tokenizer("byte-level"))[0])
    assert len(tokenizer) == first + len(MARKS)
    tokens = token_reader(tokenizer).read("<｜User｜>a  b<think>", control=True)
    found = [(number - first, special) for number, special in zip(tokens.ids, tokens.special, strict=True)]
    assert [each for each in found if each[0] >= 0] == [(0, True), (2, False), (3, True)]
    typed = token_reader(tokenizer).read("<｜User｜>")
    assert first not in typed.ids
    assert not typed.special.any()


@pytest.mark.parametrize(
    ("split", "begun", "marks_before", "whole_words"),
    [
        ("llama-bpe", None, 1, True),
        ("llama-bpe", False, 0, True),
        ("lfm2", None, 1, True),
        ("tekken", None, 1, True),
        ("qwen2", None, 0, False),
        ("gpt-4o", None, 0, False),
        ("gpt-2", True, 1, False),
    ],
)
def test_what_a_file_leaves_unsaid_is_as_the_format_means_it(
    split: str, begun: bool | None, marks_before: int, whole_words: bool, tmp_path: Path
) -> None:
    tokenizer = read(tmp_path, partial(write_vocabulary, begun=begun), split)
    assert len(token_reader(tokenizer).prefix) == marks_before
    assert json.loads(tokenizer.backend_tokenizer.to_str())["model"]["ignore_merges"] is whole_words


def words(tokens: list[str], merges: list[str], kinds: list[int] | None = None) -> Any:
    def write(writer: gguf.GGUFWriter, split: str) -> None:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(split)
        writer.add_token_list(tokens)
        writer.add_token_merges(merges)
        if kinds is not None:
            writer.add_token_types(kinds)

    return write


DAMAGED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "a merge that makes no token": (words(["a", "b"], ["a b"]), {}, "the merge 'a b'"),
    "a merge of one token": (words(["a", "b"], ["a"]), {}, "the merge 'a'"),
    "a token twice": (words(["a", "b", "a"], []), {}, "the token 'a' twice"),
    "fewer types than tokens": (words(["a", "b"], [], [1]), {}, "not as many token_type"),
    "a mark below all numbers": (words(["a", "b", "ab"], ["a b"]), {"ggml.bos_token_id": -1}, "-1 as bos_token_id"),
    "a mark beyond all numbers": (words(["a", "b", "ab"], ["a b"]), {"ggml.eos_token_id": 3}, "3 as eos_token_id"),
    "a template of no letters": (words(["a", "b"], []), {"chat_template": 7}, "template of tiny is no text"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_vocabulary_is_refused_in_its_own_words(kind: str, tmp_path: Path) -> None:
    write, settings, match = DAMAGED[kind]
    with pytest.raises(errors.IncompleteModel, match=match):
        read(tmp_path, write, "gpt-2", **settings)


def test_a_kind_of_vocabulary_that_is_not_known_is_refused(tmp_path: Path) -> None:
    def write(writer: gguf.GGUFWriter, _split: str) -> None:
        writer.add_tokenizer_model("rwkv")
        writer.add_token_list(["a"])

    with pytest.raises(errors.SlowTokenizer, match="of the kind `rwkv`"):
        read(tmp_path, write, "")
