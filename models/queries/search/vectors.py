"""What is searched together: the vectors of one model version, and how a graph over some of them is written in SQL.

Each model version has three such sets: its documents' embeddings, its turns' and its documents' profiles. Vectors of
every model share a table, and HNSW needs one dimension, so a graph is a partial index over an expression. Over
`embedding::vector(d)` it is for up to 2,000 dimensions, over `halfvec(d)` up to 4,000, and over the vector's signs as
bits above; the last two give candidates, which a query re-ranks by the exact distance. A query uses a graph only when
it writes the same cast and a condition that implies the graph's own.

Vectors of more than 16,000 numbers are arrays, since pgvector's types hold no more. They have no graph and are searched
exactly, by inner products of slices that those types do hold.
"""

from dataclasses import dataclass
from typing import Literal

from models.wide_vectors import WIDEST

VECTOR_LIMIT, HALF_LIMIT = 2_000, 4_000

Space = Literal["embedding", "profile"]
"""The name of a kind of vectors, and of the column that has them."""
Scope = Literal["document", "turn"]
SCOPES: tuple[Scope, ...] = ("document", "turn")
Kind = Literal["vector", "halfvec", "bit", "array"]


@dataclass(frozen=True, slots=True)
class VectorIndex:
    """The vectors of one model version and scope, and the expressions that a query must write to use their graphs.

    `key` is that of the version, or in the space of profiles, which are of documents, that of the version's scale.
    """

    key: int
    dimension: int
    scope: Scope
    space: Space = "embedding"

    @property
    def kind(self) -> Kind:
        """How the vectors are kept in a graph: exactly up to 2,000 dimensions, and not at all as arrays."""
        if self.dimension > WIDEST:
            return "array"
        if self.dimension <= VECTOR_LIMIT:
            return "vector"
        return "halfvec" if self.dimension <= HALF_LIMIT else "bit"

    @property
    def table(self) -> str:
        """The table that has them."""
        return "turn_embedding" if self.scope == "turn" else self.space

    def expression(self, row: str) -> str:
        """What a graph has of a row, in SQL; `row` is what the statement calls the table."""
        exact = f"{row}.{self.space}::vector({self.dimension})"
        if self.kind == "bit":
            return f"binary_quantize({exact})::bit({self.dimension})"
        return exact if self.kind == "vector" else f"{row}.{self.space}::halfvec({self.dimension})"

    def among(self, row: str, low: int | None = None, high: int | None = None) -> str:
        """The condition that a row is one of these vectors, and its measurement one from `low` to before `high`.

        With the numbers written out and not as parameters: else no query would imply the condition of a graph.
        """
        key = "scale_key" if self.space == "profile" else "version_key"
        borders = [(">=", low), ("<", high)]
        limits = "".join(f" AND {row}.measurement_id {sign} {place}" for sign, place in borders if place is not None)
        return f"{row}.{key} = {self.key}{limits}"

    def graph(self, name: str, low: int, high: int) -> str:
        """The statement that builds the graph over a stretch, without holding up anybody's writes."""
        operators = "bit_hamming_ops" if self.kind == "bit" else f"{self.kind}_cosine_ops"
        return (
            f"CREATE INDEX CONCURRENTLY {name} ON {self.table} USING hnsw "
            f"(({self.expression(self.table)}) {operators}) WHERE {self.among(self.table, low, high)}"
        )
