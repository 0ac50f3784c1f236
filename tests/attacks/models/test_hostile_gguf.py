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
    return head + ARCHITECTURE + settings + tensors + bytes(64)


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


def test_a_bomb_of_short_texts_ends_at_its_bound(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    count = 5_000_000
    file.write_bytes(file_of(setting(b"a", 9, struct.pack("<IQ", 8, count) + bytes(8 * count)), 1))
    with pytest.raises(IncompleteModel, match="5,000,000 elements"):
        read_header("tiny", file)


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
