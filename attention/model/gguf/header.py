"""The header of a GGUF file, read with bounds: what it says of itself is believed only as far as the file reaches.

The format is that of https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian.
"""

from __future__ import annotations

import mmap
import struct
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any, Final

from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

from attention.errors import IncompleteModel

MAGIC: Final = b"GGUF"
VERSIONS: Final = (2, 3)
ALIGNMENT: Final = 32
"""Bytes to which the data begin, where the file does not say."""

MOST_SETTINGS: Final = 4_096
MOST_TENSORS: Final = 65_536
MOST_ELEMENTS: Final = 1 << 20
"""Elements of one list of settings: the largest vocabularies have 262,000 tokens and twice as many merges."""
MOST_IN_ALL: Final = 1 << 21
"""Elements of all lists together."""
LONGEST_NAME: Final = 1_024
LONGEST_TEXT: Final = 4 << 20
"""Bytes of one text: chat templates and licences are far shorter."""
LONGEST_WORD: Final = 2_048
"""Bytes of one token or merge: the longest are runs of 128 spaces. What is made of them grows with their square."""
MOST_DIMENSIONS: Final = 4
LONGEST_HEADER: Final = 256 << 20
"""Bytes before the tensors' data; the largest vocabularies take about 20 MB."""

FIXED: Final = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
"""Types of settings with a fixed width; 8 is a text and 9 a list."""
TEXT, LIST = 8, 9

TOKENS: Final = "tokenizer.ggml.tokens"
MERGES: Final = "tokenizer.ggml.merges"

PLAIN: Final = {"F32", "F16", "BF16", "F64"}


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """One tensor as the header describes it; `shape` has the slowest dimension first, as in PyTorch."""

    shape: tuple[int, ...]
    kind: str  # F32, Q4_1, ...
    begin: int  # its first byte in the file
    size: int  # in bytes


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """A checked header. Lists of texts stand in `settings` as their lengths, but for TOKENS and MERGES."""

    settings: dict[str, Any]
    tensors: dict[str, GgufTensor]

    @property
    def architecture(self) -> str:
        """The family's name in GGUF: llama, qwen2."""
        return str(self.settings["general.architecture"])

    @property
    def quantization(self) -> str:
        """What most of the numbers are kept in: `gguf Q4_1`."""
        counts: Counter[str] = Counter()
        for tensor in self.tensors.values():
            counts[tensor.kind] += prod(tensor.shape)
        return f"gguf {counts.most_common(1)[0][0]}"


def read_header(model: str, file: Path) -> GgufHeader:
    """The header of a GGUF file; `model` is its name in messages.

    Raises IncompleteModel for a file that is damaged, or says of itself what cannot be.
    """
    reader = None
    try:
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
            reader = _Reader(content)
            return _header(reader)
    except (
        _DamagedError,
        ValueError,
        struct.error,
        OverflowError,
    ) as error:  # ValueError: an empty file cannot be mapped
        place = "" if reader is None else f" near byte {reader.place:,}"
        raise IncompleteModel(
            f"the file {file.name} of {model} is damaged{place}: {error}; fetch it again, or convert the model again"
        ) from error


class _DamagedError(Exception):
    pass


class _Reader:
    """Reads values one after the other, each only where it lies within the file."""

    def __init__(self, content: mmap.mmap) -> None:
        self.content = content
        self.size = len(content)
        self.place = 0
        self.elements = 0

    def number(self, form: str) -> Any:
        width = struct.calcsize(form)
        self.need(width)
        (value,) = struct.unpack_from(form, self.content, self.place)
        self.place += width
        return value

    def text(self, longest: int) -> str:
        return self._bytes(longest).decode("utf-8", errors="replace")

    def word(self) -> str:
        """Raises ValueError where it is not valid Unicode: two damaged words could become one."""
        return self._bytes(LONGEST_WORD).decode("utf-8")

    def _bytes(self, longest: int) -> bytes:
        length = self.number("<Q")
        if length > longest:
            raise _DamagedError(f"a text of {length:,} bytes, where at most {longest:,} are read")
        self.need(length)
        found = self.content[self.place : self.place + length]
        self.place += length
        return found

    def count(self, elements: int) -> None:
        """Count the elements of a list before they are read."""
        if elements > MOST_ELEMENTS:
            raise _DamagedError(f"a list has {elements:,} elements, where at most {MOST_ELEMENTS:,} are read")
        self.elements += elements
        if self.elements > MOST_IN_ALL:
            raise _DamagedError(f"its lists have more than {MOST_IN_ALL:,} elements together")

    def need(self, width: int) -> None:
        if self.place + width > min(self.size, LONGEST_HEADER):
            raise _DamagedError("it ends before what its header announces")

    def skip_texts(self, count: int) -> None:
        for _ in range(count):
            length = self.number("<Q")
            self.need(length)
            self.place += length


def _header(reader: _Reader) -> GgufHeader:
    reader.need(4)
    if reader.content[:4] != MAGIC:
        raise _DamagedError("it does not begin with the letters GGUF")
    reader.place = 4
    version, tensors, settings = reader.number("<I"), reader.number("<Q"), reader.number("<Q")
    if version not in VERSIONS:
        raise _DamagedError(f"it is of version {version}, and {' and '.join(map(str, VERSIONS))} are read")
    if settings > MOST_SETTINGS or tensors > MOST_TENSORS:
        raise _DamagedError(f"it announces {settings:,} settings and {tensors:,} tensors")
    found: dict[str, Any] = {}
    for _ in range(settings):
        name = reader.text(LONGEST_NAME)
        if name in found:
            raise _DamagedError(f"it has the setting {name} twice")
        found[name] = _value(reader, reader.number("<I"), words=name in (TOKENS, MERGES))
    if not isinstance(found.get("general.architecture"), str):
        raise _DamagedError("it names no architecture")
    return GgufHeader(found, _tensors(reader, tensors, found.get("general.alignment", ALIGNMENT)))


def _value(reader: _Reader, kind: int, *, words: bool) -> Any:
    if kind in FIXED:
        return reader.number(FIXED[kind])
    if kind == TEXT:
        return reader.text(LONGEST_TEXT)
    if kind != LIST:
        raise _DamagedError(f"a setting is of type {kind}, which the format does not have")
    element, count = reader.number("<I"), reader.number("<Q")
    reader.count(count)
    if element == TEXT and words:
        return [reader.word() for _ in range(count)]
    if element == TEXT:
        reader.skip_texts(count)
        return count
    if element not in FIXED:
        raise _DamagedError(f"a list holds values of type {element}")
    form = f"<{count}{FIXED[element][1]}"
    reader.need(struct.calcsize(form))
    values = struct.unpack_from(form, reader.content, reader.place)
    reader.place += struct.calcsize(form)
    return list(values)


def _tensors(reader: _Reader, count: int, alignment: Any) -> dict[str, GgufTensor]:
    if not isinstance(alignment, int) or not 1 <= alignment <= 1 << 20:
        raise _DamagedError(f"it aligns its tensors to {alignment} bytes")
    found: dict[str, GgufTensor] = {}
    described = []
    for _ in range(count):
        name = reader.text(LONGEST_NAME)
        dimensions = reader.number("<I")
        if not 1 <= dimensions <= MOST_DIMENSIONS:
            raise _DamagedError(f"the tensor {name} has {dimensions} dimensions")
        sizes = tuple(reader.number("<Q") for _ in range(dimensions))
        described.append((name, sizes[::-1], _kind(name, reader.number("<I")), reader.number("<Q")))
    data = -(-reader.place // alignment) * alignment
    for name, shape, kind, offset in described:
        if name in found:
            raise _DamagedError(f"it has the tensor {name} twice")
        size = _bytes(name, shape, kind)
        if offset % alignment or data + offset + size > reader.size:
            raise _DamagedError(f"the tensor {name} lies outside the file")
        found[name] = GgufTensor(shape, kind, data + offset, size)
    ordered = sorted((tensor.begin, tensor.begin + tensor.size, name) for name, tensor in found.items())
    for (_, end, name), (start, _, following) in pairwise(ordered):
        if start < end:
            raise _DamagedError(f"the tensors {name} and {following} overlap")
    return found


def _kind(name: str, number: int) -> str:
    try:
        return str(GGMLQuantizationType(number).name)
    except ValueError:
        raise _DamagedError(f"the tensor {name} is of type {number}, which is not known") from None


def _bytes(name: str, shape: tuple[int, ...], kind: str) -> int:
    elements, width = GGML_QUANT_SIZES[GGMLQuantizationType[kind]]
    if min(shape) < 1 or shape[-1] % elements:
        raise _DamagedError(f"the tensor {name} has the shape {shape}, which {kind} cannot have")
    return int(prod(shape) // elements * width)
