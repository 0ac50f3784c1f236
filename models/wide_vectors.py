"""Where vectors are kept: as pgvector's type, or as arrays where they have more numbers than that holds."""

from typing import Final

WIDEST: Final = 16_000
"""The most dimensions that pgvector's `vector` has."""


def vector_column(name: str, dimension: int) -> tuple[str, str]:
    """The column that has vectors of this dimension, in a table whose column of vectors is `name`, and its type."""
    return (name, "vector") if dimension <= WIDEST else ("wide", "float4[]")
