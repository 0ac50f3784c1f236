"""The vector indexes: partial HNSW indexes over expressions with a fixed dimension.

Each model version has one for its documents' embeddings, one for its turns' and one for its documents' profiles.
Vectors of every model share a table, and HNSW needs one dimension. An index over `embedding::vector(d)` exists for up
to 2,000 dimensions, over `halfvec(d)` up to 4,000, and over the vector's signs as bits above; the last two give
candidates, which a query re-ranks by the exact distance. A query uses the index only when it writes the same cast.

Vectors of more than 16,000 numbers are arrays, since pgvector's types hold no more. They have no index and are searched
exactly, by inner products of slices that those types do hold.
"""

import time
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from models.wide_vectors import WIDEST

VECTOR_LIMIT, HALF_LIMIT = 2_000, 4_000

DEADLOCK = "40P01"
"""PostgreSQL ends one of two that wait for each other; what it has left half built is built again."""

Space = Literal["embedding", "profile"]
"""The name of a table of vectors, and of its column that has them."""
Scope = Literal["document", "turn"]
SCOPES: tuple[Scope, ...] = ("document", "turn")
Kind = Literal["vector", "halfvec", "bit", "array"]


@dataclass(frozen=True, slots=True)
class VectorIndex:
    """The index of one model version and scope, and the expressions that a query must write to use it.

    `key` is that of the version, or in the space of profiles, which are of documents, that of the version's scale.
    """

    key: int
    dimension: int
    scope: Scope
    space: Space = "embedding"

    @property
    def kind(self) -> Kind:
        """How the vectors are kept in the index: exactly up to 2,000 dimensions, and not at all as arrays."""
        if self.dimension > WIDEST:
            return "array"
        if self.dimension <= VECTOR_LIMIT:
            return "vector"
        return "halfvec" if self.dimension <= HALF_LIMIT else "bit"

    @property
    def name(self) -> str:
        """The index's name in the database."""
        return f"profile_s{self.key}" if self.space == "profile" else f"embedding_{self.scope}_v{self.key}"

    @property
    def expression(self) -> str:
        """What is indexed, in SQL over a row of the space's table."""
        exact = f"{self.space}::vector({self.dimension})"
        if self.kind == "bit":
            return f"binary_quantize({exact})::bit({self.dimension})"
        return exact if self.kind == "vector" else f"{self.space}::halfvec({self.dimension})"

    @property
    def operators(self) -> str:
        """The operator class: cosine distance, or the number of differing signs."""
        return "bit_hamming_ops" if self.kind == "bit" else f"{self.kind}_cosine_ops"

    @property
    def predicate(self) -> str:
        """Which rows are indexed; a query must say the same, with the key written out and not as a parameter."""
        if self.space == "profile":
            return f"scale_key = {self.key}"
        return f"version_key = {self.key} AND turn IS {'' if self.scope == 'document' else 'NOT '}NULL"

    @property
    def statement(self) -> str:
        """The statement that builds the index without holding up anybody's writes."""
        return (
            f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {self.name} ON {self.space} "
            f"USING hnsw (({self.expression}) {self.operators}) WHERE {self.predicate}"
        )


_VALID = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
_LOCK = text("SELECT pg_try_advisory_lock(hashtext(:name))")
_UNLOCK = text("SELECT pg_advisory_unlock(hashtext(:name))")


def ensure_vector_indexes(engine: Engine, version_key: int, dimension: int, *, patience_seconds: float = 60.0) -> None:
    """Make both indexes of a model version's embeddings where they are missing or half built. Raises TimeoutError."""
    for scope in SCOPES:
        ensure_vector_index(engine, VectorIndex(version_key, dimension, scope), patience_seconds=patience_seconds)


def ensure_vector_index(engine: Engine, index: VectorIndex, *, patience_seconds: float = 60.0) -> None:
    """Make the index where it is missing or was left half built.

    Outside any transaction, as concurrent building asks for. A second worker that wants the same looks again every
    tenth of a second instead of waiting inside the database, which would hold up the first. Raises TimeoutError.
    """
    if index.kind == "array":
        return
    deadline = time.monotonic() + patience_seconds
    while not _made_without_deadlock(engine, index):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the index {index.name} was not ready within {patience_seconds:.0f} s")
        time.sleep(0.1)


def _made_without_deadlock(engine: Engine, index: VectorIndex) -> bool:
    """As `_made`; False where another index of the same table was being built, which each waited for."""
    try:
        return _made(engine, index)
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != DEADLOCK:
            raise
        return False


def drop_vector_indexes(engine: Engine, version_key: int, dimension: int) -> None:
    """Remove both indexes of a model version's embeddings that nothing uses any more."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for scope in SCOPES:
            name = VectorIndex(version_key, dimension, scope).name
            connection.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {name}"))


def _made(engine: Engine, index: VectorIndex) -> bool:
    """Whether the index stands; builds it unless somebody else is at it."""
    named: dict[str, Any] = {"name": index.name}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if connection.execute(_VALID, named).scalar_one_or_none():
            return True
        if not connection.execute(_LOCK, named).scalar_one():
            return False
        try:
            if connection.execute(_VALID, named).scalar_one_or_none() is False:
                connection.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {index.name}"))
            connection.execute(text(index.statement))
        finally:
            connection.execute(_UNLOCK, named)
        return True
