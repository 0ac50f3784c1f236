"""What a GGUF file says of its sizes, held against its tensors, so that a few bytes cannot ask for a giant network.

Libraries believe these numbers: they would build four hundred million layers for a file of five kilobytes.
"""

from __future__ import annotations

import re
from typing import Any, Final

from attention.errors import IncompleteModel
from attention.model.gguf.header import TOKENS, GgufHeader

LAYER: Final = re.compile(r"(?:enc\.|dec\.)?blk\.(\d+)\.")
EMBEDDING: Final = "token_embd.weight"
MOST_LAYERS: Final = 1_024
LARGEST: Final = 1 << 24
"""What no single number of a network exceeds but its context and the base of its rotary frequencies."""
MOST_POSITIONS: Final = 1 << 31


def check_sizes_of_file(model: str, header: GgufHeader) -> None:
    """Raise IncompleteModel where layers, widths or words are announced that the file has no tensors for."""
    layers = {int(found[1]) for name in header.tensors if (found := LAYER.match(name))}
    announced = _whole(model, header, "block_count")
    if announced > len(layers):
        raise _differs(model, f"announces {announced:,} layers and has tensors of {len(layers):,}")
    if announced > MOST_LAYERS:
        raise _differs(model, f"announces {announced:,} layers, where at most {MOST_LAYERS:,} are read")
    embedding = header.tensors.get(EMBEDDING)
    if embedding is None or len(embedding.shape) != 2:
        raise _differs(model, f"has no matrix {EMBEDDING}")
    rows, width = embedding.shape
    if _whole(model, header, "embedding_length") != width:
        raise _differs(model, f"announces another width than the {width:,} of {EMBEDDING}")
    tokens = header.settings.get(TOKENS)
    if not isinstance(tokens, list) or not 0 < len(tokens) <= rows:
        raise _differs(model, f"has no list of tokens for the {rows:,} rows of {EMBEDDING}")
    prefix = f"{header.architecture}."
    for name, value in header.settings.items():
        if name.startswith(prefix):
            _check_number(model, name, value)


def _check_number(model: str, name: str, value: Any) -> None:
    """A number, or each of a list, within what a network can have."""
    most = MOST_POSITIONS if name.endswith(("context_length", "rope.freq_base", "rope.freq_base_swa")) else LARGEST
    for each in value if isinstance(value, list) else (value,):
        if not isinstance(each, str) and not -LARGEST <= each <= most:  # NaN is refused too
            raise _differs(model, f"has {each:,} as {name}")


def _whole(model: str, header: GgufHeader, setting: str) -> int:
    name = f"{header.architecture}.{setting}"
    value = header.settings.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _differs(model, f"has {value} as {name}")
    return value


def _differs(model: str, what: str) -> IncompleteModel:
    return IncompleteModel(f"the GGUF file of {model} {what}; fetch it again, or convert the model again")
