"""Where vectors are kept: as pgvector's type, or as arrays where they have more numbers than that holds."""

from typing import Final

WIDEST: Final = 16_000
"""The most dimensions that pgvector's `vector` has."""


def embedding_column(dimension: int) -> tuple[str, str]:
    """The column that has embeddings of this dimension, and its type."""
    return ("embedding", "vector") if dimension <= WIDEST else ("wide", "float4[]")
