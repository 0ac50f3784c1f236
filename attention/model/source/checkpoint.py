"""What a model is read from: safetensors with their configuration and tokenizer, or one GGUF file that has all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn
from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerFast

from attention.errors import IncompleteModel, SlowTokenizer
from attention.model.checks.configuration import repaired
from attention.model.checks.families import proven_family
from attention.model.checks.vocabulary import differing_settings
from attention.model.gguf.header import GgufHeader, read_header
from attention.model.gguf.settings import check_settings, complete, known_architecture
from attention.model.gguf.sizes import check_sizes_of_file
from attention.model.gguf.tokenizer import gguf_tokenizer
from attention.model.gguf.weights import apply_rotary_factors, gguf_tensors
from attention.model.network import check_sizes, reason_of
from attention.model.quantization.packed import Format, packs, unpacked
from attention.model.quantization.schemes import format_of
from attention.model.tensors import check_plain, stored_tensors, under_own_names
from attention.model.weights import CONFIG, configuration, count_unpacked, count_weights, files_digest, weight_files
from attention.text.tokens import FastTokenizer, token_reader


class Checkpoint(Protocol):
    """A model's files, found and checked as far as they can be without its network."""

    @property
    def files_digest(self) -> str:
        """SHA-256 in hexadecimal of the weights' files alone: of one file its own."""

    @property
    def digest(self) -> str:
        """SHA-256 in hexadecimal of everything in the files that changes a number, and of the way it is read."""

    @property
    def revision(self) -> str:
        """16 digits that change with the weights and with the configuration."""

    @property
    def scheme(self) -> str | None:
        """What the weights are quantized in; None for plain numbers."""

    def numbers(self) -> int:
        """How many numbers the weights are, as they will be in the network."""

    def configured(self) -> tuple[Any, bool]:
        """The configuration of the network that reads text, and whether it is a part of a multimodal model."""

    def tokenizer(self) -> FastTokenizer:
        """The tokenizer, which gives character offsets."""

    def notes(self, tokenizer: FastTokenizer) -> Iterator[str]:
        """What a reader of the model's numbers should know of its files."""

    def tensors(self, outline: nn.Module, dtype: torch.dtype) -> Any:
        """A context in which the tensors are there by the names that they have in `outline`."""

    def finish(self, network: nn.Module) -> None:
        """What the files say of the network beside its weights and its configuration."""


@dataclass(frozen=True)
class SafetensorsCheckpoint:
    """A folder with safetensors, config.json and a tokenizer."""

    model: str
    folder: Path

    @cached_property
    def stated(self) -> dict[str, Any]:
        """The parsed config.json, of a family that may be measured."""
        stated = configuration(self.model, self.folder)
        proven_family(self.model, stated)
        return stated

    @cached_property
    def files(self) -> list[Path]:
        """The safetensors files."""
        assert self.stated
        return weight_files(self.model, self.folder)

    @cached_property
    def files_digest(self) -> str:
        """Of one file its own."""
        return files_digest(self.files)

    @cached_property
    def named_format(self) -> Format | None:
        """The format that config.json names."""
        return format_of(self.model, self.stated)

    @cached_property
    def format(self) -> Format | None:
        """The format that the weights are packed in, as config.json says; None where none of them is."""
        named = self.named_format
        if named is None:
            return None
        with stored_tensors(self.model, self.files) as stored:
            return named if packs(named, stored) else None

    @property
    def digest(self) -> str:
        """That of the files where they hold plain numbers; else of them and of the way they are unpacked."""
        if self.format is None:
            return self.files_digest
        return hashlib.sha256(f"{self.files_digest} unpacked as {self.format.settings}".encode()).hexdigest()

    @property
    def revision(self) -> str:
        """Of configuration and weights."""
        return hashlib.sha256((self.folder / CONFIG).read_bytes() + self.digest.encode()).hexdigest()[:16]

    @property
    def scheme(self) -> str | None:
        """The format's name; None for plain numbers."""
        return None if self.format is None else self.format.name

    def numbers(self) -> int:
        """From the files' headers; of packed numbers, more than one to an element, at most eight."""
        return count_weights(self.model, self.files) if self.format is None else count_unpacked(self.model, self.files)

    def configured(self) -> tuple[Any, bool]:
        """From config.json."""
        try:
            whole = AutoConfig.from_pretrained(self.folder, local_files_only=True, trust_remote_code=False)
            config = whole.get_text_config()
            check_sizes(config)
            repaired(config)
        except Exception as error:  # which errors the library raises depends on the file
            raise IncompleteModel(f"{self.model} cannot be loaded: {reason_of(error, self.folder)}") from error
        for part in (whole, config):
            part.__dict__.pop("quantization_config", None)
        towers = config is not whole
        if towers:
            proven_family(self.model, config.to_dict())
        return config, towers

    def tokenizer(self) -> FastTokenizer:
        """Exactly as its own tokenizer.json has it; from older vocabulary files by its class."""
        kind = PreTrainedTokenizerFast if (self.folder / "tokenizer.json").is_file() else AutoTokenizer
        try:
            tokenizer = kind.from_pretrained(self.folder, local_files_only=True, trust_remote_code=False)
        except Exception as error:  # the tokenizers library raises plain Exception for a damaged file
            reason = reason_of(error, self.folder)
            raise IncompleteModel(f"the tokenizer of {self.model} cannot be read: {reason}") from error
        if not getattr(tokenizer, "is_fast", False):
            raise SlowTokenizer(
                f"the tokenizer of {self.model} gives no character offsets; save it as a fast tokenizer "
                "(tokenizer.json)"
            )
        token_reader(tokenizer)
        return tokenizer  # type: ignore[no-any-return]

    def notes(self, tokenizer: FastTokenizer) -> Iterator[str]:
        """Where the tokenizer's settings differ from what it does, and the configuration from the weights."""
        yield from differing_settings(self.folder, tokenizer)
        if self.named_format is not None and self.format is None:
            yield f"Its configuration names {self.named_format.name}, but its weights are plain and read as they are."

    @contextmanager
    def tensors(self, outline: nn.Module, dtype: torch.dtype) -> Iterator[dict[str, Any]]:
        """Not yet read."""
        del dtype  # as stored: they are brought to it when they are read
        with stored_tensors(self.model, self.files) as stored:
            plain = stored if self.format is None else unpacked(self.format, stored)
            check_plain(self.model, plain)
            yield under_own_names(self.model, plain, outline)

    def finish(self, network: nn.Module) -> None:
        """Nothing: configuration and weights say all."""
        del network


@dataclass(frozen=True)
class GgufCheckpoint:
    """One GGUF file, which is checked before a library reads it."""

    model: str
    file: Path

    @cached_property
    def header(self) -> GgufHeader:
        """What the file says of itself, of a family that may be measured, as far as its tensors bear it out."""
        header = read_header(self.model, self.file)
        proven_family(self.model, known_architecture(self.model, header))
        check_sizes_of_file(self.model, header)
        return header

    @cached_property
    def files_digest(self) -> str:
        """The file's own."""
        assert self.header  # checked before all of it is read
        return files_digest([self.file])

    @property
    def digest(self) -> str:
        """Of the file, and of the way it is dequantized."""
        return hashlib.sha256(f"gguf {self.files_digest} dequantized in float32".encode()).hexdigest()

    @property
    def revision(self) -> str:
        """The file has its configuration in it."""
        return self.digest[:16]

    @property
    def scheme(self) -> str | None:
        """The type that most numbers are in."""
        return self.header.quantization

    def numbers(self) -> int:
        """From the file's header."""
        return sum(torch.Size(tensor.shape).numel() for tensor in self.header.tensors.values())

    def configured(self) -> tuple[Any, bool]:
        """From the file's settings, each of which must be known."""
        assert self.header  # checked before a library reads the file
        try:
            config = AutoConfig.from_pretrained(
                self.file.parent, gguf_file=self.file.name, local_files_only=True, trust_remote_code=False
            )
            check_sizes(config)
            complete(self.header, config)
            repaired(config)
        except Exception as error:  # which errors the library raises depends on the file
            raise IncompleteModel(f"{self.model} cannot be loaded: {reason_of(error, self.file)}") from error
        config.__dict__.pop("quantization_config", None)
        proven_family(self.model, config.to_dict())
        check_settings(self.model, self.header, config)
        return config, False

    def tokenizer(self) -> FastTokenizer:
        """From the file's vocabulary."""
        tokenizer: FastTokenizer = gguf_tokenizer(self.model, self.header)
        return tokenizer

    def notes(self, tokenizer: FastTokenizer) -> Iterator[str]:
        """None."""
        del tokenizer
        yield from ()

    @contextmanager
    def tensors(self, outline: nn.Module, dtype: torch.dtype) -> Iterator[dict[str, Any]]:
        """Dequantized."""
        yield dict(gguf_tensors(self.model, self.file, self.header, outline, dtype))

    def finish(self, network: nn.Module) -> None:
        """Rotary factors."""
        apply_rotary_factors(self.model, self.file, self.header, network)
