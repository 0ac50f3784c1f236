"""Arrays as an Apache Arrow stream, for clients that ask for one. pyarrow is loaded when it is first asked for."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]

MEDIA_TYPE = "application/vnd.apache.arrow.stream"
JSON = "application/json"


def arrow_preferred(accept: str | None) -> bool:
    """Whether an `Accept` header wants an Arrow stream more than JSON."""
    weights = {MEDIA_TYPE: 0.0, JSON: 0.0}
    for part in (accept or "").split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        for wanted in weights:
            if kind == wanted or (wanted == JSON and kind in ("*/*", "application/*")):
                weights[wanted] = max(weights[wanted], _quality(parameters))
    return weights[MEDIA_TYPE] > weights[JSON]


def _quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def token_stream(arrays: "Arrays", texts: list[str], by_token: Sequence[str], about: Mapping[str, str]) -> bytes:
    """One row a token: what each token is, and `by_token` (N, M) arrays as lists of M numbers.

    `about` becomes the schema's metadata.
    """
    import pyarrow as pa

    turn = arrays["turn"]
    columns: dict[str, Any] = {name: pa.array(arrays[name]) for name in ("window", "id") if name in arrays}
    columns["text"] = pa.array(texts, pa.string())
    columns["turn"] = pa.array(turn, mask=turn < 0)
    columns["scaffold"] = pa.array(arrays["scaffold"])
    for name in by_token:
        rows = arrays[name]
        columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])
    table = pa.table(columns).replace_schema_metadata(dict(about))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())
