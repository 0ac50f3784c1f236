"""An analysis' turns and flow from what is stored, as plain content. numpy is loaded only when they are asked for."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row

from attention.definitions import TURN_METRIC_NAMES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = NDArray[Any]


def turns_view(
    speakers: Sequence[str], turns: Sequence[Row[Any]], times: Sequence[tuple[float | None, float | None]] = ()
) -> dict[str, Any]:
    """The `TurnsDetail` of a `StoredAnalysis`, with the trajectory of each metric along the turns."""
    from attention.measure.trajectory import trajectory

    tokens = [turn.tokens for turn in turns]
    metrics = {name: [turn._mapping[name] for turn in turns] for name in TURN_METRIC_NAMES}
    return {
        "speaker": [None if turn.speaker is None else speakers[turn.speaker] for turn in turns],
        "tokens": tokens,
        "start": [start for start, _ in times] or [None] * len(turns),
        "end": [end for _, end in times] or [None] * len(turns),
        "metrics": metrics,
        "trajectory": {name: trajectory(values, tokens) for name, values in metrics.items()},
    }


def flow_view(
    speakers: Sequence[str], turns: Sequence[Row[Any]], flows: Sequence[bytes | None], layer: int | None = None
) -> dict[str, Any] | None:
    """The stored flow between turns, and from it that between speakers and to first turns: a `Flow`; None without any.

    `flows` are those of every layer, or of the one `layer`.
    """
    import numpy as np

    from attention.measure.flow import goal_flow, speaker_flow
    from models.arrays import reals

    stored = [each for each in flows if each is not None]
    if not turns or not stored or len(stored) < len(flows):
        return None
    count = len(turns)
    flow = np.stack([reals(each) for each in stored]).reshape(len(stored), count, count + 1)
    speaker = np.array([-1 if turn.speaker is None else turn.speaker for turn in turns], np.int32)
    tokens = np.array([turn.tokens for turn in turns], np.int64)
    said = speaker.tolist()
    return {
        "columns": ["scaffold", *map(str, range(count))],
        "layer": layer,
        "layers": in_full(flow),
        "speakers": {
            "columns": ["scaffold", *speakers],
            "layers": in_full(speaker_flow(flow, speaker, tokens, len(speakers))),
        },
        "goal": {
            "columns": list(speakers),
            "turns": [said.index(number) if number in said else None for number in range(len(speakers))],
            "layers": in_full(goal_flow(flow, speaker, len(speakers))),
        },
    }


def in_full(values: "Arrays") -> "Arrays":
    """Numbers in double precision, whose digits give a reader who reckons in it the very numbers that were measured."""
    import numpy as np

    return np.ascontiguousarray(values, np.float64)
