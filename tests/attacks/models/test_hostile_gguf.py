"""Attack: a GGUF file whose header lies, to exhaust memory or time, or to be read past its end.

Whatever it says, it is refused as damaged, before any library reads it, within a second and a few megabytes.
"""

import random
import struct
import time
import tracemalloc
from pathlib import Path

import pytest
import transformers
from capture_networks import GROUPED, build
from gguf_files import write_gguf

from attention.errors import IncompleteModel, ModelRefused
from attention.model.gguf.header import read_header
from attention.model.loading import open_model
from attention.model.model import ModelSource

HUGE = 2**62


def text(content: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(content) if length is None else length) + content


def setting(name: bytes, kind: int, value: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + value


ARCHITECTURE = setting(b"general.architecture", 8, text(b"llama"))


def file_of(
    settings: bytes = b"", count: int = 0, tensors: bytes = b"", tensor_count: int = 0, version: int = 3
) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", version, tensor_count, 1 + count)
    return head + ARCHITECTURE + settings + tensors + bytes(256)


def tensor(name: bytes = b"token_embd.weight", dims: tuple[int, ...] = (4,), kind: int = 0, offset: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)


LIES = {
    "nothing at all": b"",
    "other letters": b"GGML" + bytes(60),
    "a version of tomorrow": file_of(version=9),
    "more settings than there are": file_of(count=HUGE),
    "more tensors than there are": file_of(tensor_count=HUGE),
    "a text longer than the file": file_of(text(b"a", HUGE), 1),
    "a text of half the memory": file_of(setting(b"a", 8, text(b"b", 2**33)), 1),
    "a list longer than the file": file_of(setting(b"a", 9, struct.pack("<IQ", 4, HUGE)), 1),
    "a list of texts longer than the file": file_of(setting(b"a", 9, struct.pack("<IQ", 8, 3_999_999)), 1),
    "a list of lists": file_of(setting(b"a", 9, struct.pack("<IQ", 9, 2)), 1),
    "a type that there is not": file_of(setting(b"a", 77, b""), 1),
    "a setting twice": file_of(ARCHITECTURE, 1),
    "a tensor of many dimensions": file_of(tensors=tensor(dims=(1,) * 60), tensor_count=1),
    "a tensor of no dimension": file_of(tensors=tensor(dims=()), tensor_count=1),
    "a tensor of nothing": file_of(tensors=tensor(dims=(0,)), tensor_count=1),
    "a tensor as large as the world": file_of(tensors=tensor(dims=(2**31, 2**31)), tensor_count=1),
    "a tensor beyond the end": file_of(tensors=tensor(offset=2**40), tensor_count=1),
    "a tensor that wraps around": file_of(tensors=tensor(offset=2**64 - 32), tensor_count=1),
    "a tensor of a type that there is not": file_of(tensors=tensor(kind=9999), tensor_count=1),
    "a tensor in half a block": file_of(tensors=tensor(dims=(33,), kind=3), tensor_count=1),
    "two tensors in one place": file_of(tensors=tensor() + tensor(b"output_norm.weight"), tensor_count=2),
    "a tensor twice": file_of(tensors=tensor() + tensor(offset=32), tensor_count=2),
    "an alignment of nothing": file_of(setting(b"general.alignment", 4, bytes(4)), 1, tensor(), 1),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_is_refused_at_once(lie: str, tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(LIES[lie])
    tracemalloc.start()
    began = time.monotonic()
    try:
        with pytest.raises(IncompleteModel, match=r"m\.gguf of tiny is damaged") as refused:
            open_model(ModelSource(id="tiny", path=tmp_path))
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
    assert time.monotonic() - began < 5
    assert str(tmp_path) not in str(refused.value)


def number(name: bytes, value: int) -> bytes:
    return setting(b"llama." + name, 4, struct.pack("<I", value))


def texts(name: bytes, count: int, content: bytes) -> bytes:
    return setting(name, 9, struct.pack("<IQ", 8, count) + content)


MANY = 1_000_000
SIZES = number(b"block_count", 1) + number(b"embedding_length", 4)
ONE_LAYER = tensor(b"blk.0.attn_q.weight", (4, 4), offset=0) + tensor(dims=(4, 2), offset=64)

BOMBS = {
    "more short texts than a list may have": (
        file_of(texts(b"a", 5_000_000, bytes(40_000_000)), 1), "5,000,000 elements"
    ),
    "many lists of short texts": (
        file_of(b"".join(texts(b"a%d" % each, MANY, bytes(8 * MANY)) for each in range(3)), 3), "elements together"
    ),
    "many words for a network of none": (
        file_of(texts(b"tokenizer.ggml.tokens", MANY, b"".join(text(b"%x" % each) for each in range(MANY))), 1),
        "has None as llama.block_count",
    ),
    "many words for two rows of numbers": (
        file_of(SIZES + texts(b"tokenizer.ggml.tokens", MANY, bytes(8 * MANY)), 3, ONE_LAYER, 2), "for the 2 rows"
    ),
    "a word of a hundred thousand letters": (
        file_of(texts(b"tokenizer.ggml.tokens", 40, text(b"a" * 100_000) * 40), 1), "a text of 100,000 bytes"
    ),
    "four hundred million layers": (
        file_of(number(b"block_count", 400_000_000), 1, ONE_LAYER, 2), "400,000,000 layers and has tensors of 1"
    ),
    "another width than its numbers have": (
        file_of(number(b"block_count", 1) + number(b"embedding_length", 1 << 30), 2, ONE_LAYER, 2), "another width"
    ),
    "a number that no network has": (
        file_of(
            SIZES + number(b"feed_forward_length", 1 << 31) + texts(b"tokenizer.ggml.tokens", 1, text(b"a")),
            4, ONE_LAYER, 2,
        ),
        "2,147,483,648 as llama.feed_forward_length",
    ),
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_small_file_that_asks_for_much_is_refused_before_anything_is_made_of_it(bomb: str, tmp_path: Path) -> None:
    content, match = BOMBS[bomb]
    (tmp_path / "m.gguf").write_bytes(content)
    began = time.process_time()
    with pytest.raises(IncompleteModel, match=match):
        open_model(ModelSource(id="tiny", path=tmp_path))
    assert time.process_time() - began < 5


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    config = transformers.LlamaConfig(**GROUPED | {"vocab_size": 600})
    file = tmp_path_factory.mktemp("gguf") / "m.gguf"
    return write_gguf(file, build(config, "eager")).read_bytes()


def test_a_file_cut_anywhere_is_refused(whole: bytes, tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    for end in (*range(0, 400, 7), *range(400, len(whole) - 1, len(whole) // 60)):
        file.write_bytes(whole[:end])
        with pytest.raises(IncompleteModel):
            read_header("tiny", file)


def test_changed_bytes_never_end_in_anything_but_a_refusal(whole: bytes, tmp_path: Path) -> None:
    chance = random.Random(11)
    file = tmp_path / "m.gguf"
    for _ in range(400):
        content = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            content[chance.randrange(0, 30_000)] = chance.randrange(256)
        file.write_bytes(content)
        try:
            read_header("tiny", file)
        except ModelRefused:
            continue


def test_a_file_with_changed_settings_opens_or_is_refused_and_never_ends_the_process(
    whole: bytes, tmp_path: Path
) -> None:
    chance = random.Random(5)
    names = (b"llama.context_length", b"tokenizer.ggml.token_type", b"token_embd.weight")
    places = [whole.find(name) for name in names]
    refused = 0
    for _ in range(60):
        content = bytearray(whole)
        begin = chance.choice(places)
        for _ in range(chance.randint(1, 3)):
            content[begin + chance.randrange(600)] = chance.choice((0, 1, 2, 4, 8, 9, 255, chance.randrange(256)))
        (tmp_path / "m.gguf").write_bytes(content)
        try:
            open_model(ModelSource(id="tiny", path=tmp_path))
        except ModelRefused:
            refused += 1
    assert refused > 20
