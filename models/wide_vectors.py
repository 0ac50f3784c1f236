"""Where vectors are kept: as pgvector's type, or as arrays where they have more numbers than that holds."""

from typing import Final

WIDEST: Final = 16_000
"""The most dimensions that pgvector's `vector` has."""


def embedding_column(dimension: int) -> str:
    """The column that has embeddings of this dimension."""
    return "embedding" if dimension <= WIDEST else "wide"
