"""Arrays as the database keeps them: names, types and shapes as JSON, numbers as plain bytes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def pack(arrays: Mapping[str, NDArray[Any]]) -> tuple[dict[str, Any], bytes]:
    """(layout, body) of arrays of numbers or booleans, little-endian."""
    layout, parts = [], []
    for name, array in arrays.items():
        plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        layout.append({"name": name, "type": plain.dtype.str, "shape": list(plain.shape)})
        parts.append(plain.tobytes())
    return {"arrays": layout}, b"".join(parts)


def unpack(layout: Mapping[str, Any], body: bytes) -> dict[str, NDArray[Any]]:
    """The inverse of `pack`; the arrays are read-only. Raises ValueError where the body does not fit its layout."""
    arrays, offset = {}, 0
    for entry in layout["arrays"]:
        kind = np.dtype(entry["type"])
        count = int(np.prod(entry["shape"], dtype=np.int64))
        arrays[entry["name"]] = np.frombuffer(body, kind, count, offset).reshape(entry["shape"])
        offset += count * kind.itemsize
    if offset != len(body):
        raise ValueError(f"{len(body)} bytes for arrays of {offset}")
    return arrays


_ELEMENT = np.dtype([("length", ">i4"), ("value", ">f4")])
_ELEMENTS_BEGIN, _NO_ELEMENTS = 20, 12  # bytes of what comes before them in one dimension, and in none


def reals(sent: bytes) -> NDArray[np.float32]:
    """A `real[]` of one dimension without nulls, as PostgreSQL's `array_send` gives it, in native order.

    Raises ValueError where it is something else.
    """
    if len(sent) == _NO_ELEMENTS:
        return np.empty(0, np.float32)
    items = np.frombuffer(sent, _ELEMENT, -1, _ELEMENTS_BEGIN)
    if not (items["length"] == 4).all():
        raise ValueError("an array that holds something else than numbers of four bytes")
    return items["value"].astype(np.float32)


def pack_texts(texts: list[str]) -> dict[str, NDArray[Any]]:
    """Texts as two arrays to pack: their bytes in UTF-8, and where each ends."""
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([len(each) for each in encoded], dtype=np.int64)
    return {"text": np.frombuffer(b"".join(encoded), np.uint8), "text_end": ends}


def unpack_texts(arrays: Mapping[str, NDArray[Any]]) -> list[str]:
    """The texts of `pack_texts`."""
    body = arrays["text"].tobytes()
    ends = arrays["text_end"].tolist()
    return [body[start:end].decode() for start, end in zip([0, *ends][:-1], ends, strict=True)]
