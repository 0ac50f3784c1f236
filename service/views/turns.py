"""An analysis' turns and flow from what is stored. numpy is loaded only when they are first asked for."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row

from attention.definitions import TURN_METRIC_NAMES
from models.schemas.turns import Flow, GoalFlow, SpeakerFlow, Trajectory, TurnsDetail

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = NDArray[Any]


def turns_view(
    speakers: Sequence[str], turns: Sequence[Row[Any]], times: Sequence[tuple[float | None, float | None]] = ()
) -> TurnsDetail:
    """The turns of a `StoredAnalysis`, with the trajectory of each metric along them."""
    from attention.measure.trajectory import trajectory

    tokens = [turn.tokens for turn in turns]
    metrics = {name: [turn._mapping[name] for turn in turns] for name in TURN_METRIC_NAMES}
    moving = {name: trajectory(values, tokens) for name, values in metrics.items()}
    return TurnsDetail(
        speaker=[None if turn.speaker is None else speakers[turn.speaker] for turn in turns],
        tokens=tokens,
        start=[start for start, _ in times] or [None] * len(turns),
        end=[end for _, end in times] or [None] * len(turns),
        metrics=metrics,
        trajectory={name: Trajectory.model_validate(moved, from_attributes=True) for name, moved in moving.items()},
    )


def flow_view(
    speakers: Sequence[str],
    turns: Sequence[Row[Any]],
    flows: Sequence[Sequence[float] | None],
    layer: int | None = None,
) -> Flow | None:
    """The stored flow between turns, and from it that between speakers and to first turns; None without any.

    `flows` are those of every layer, or of the one `layer`.
    """
    import numpy as np

    from attention.measure.flow import goal_flow, speaker_flow

    if not turns or not flows or any(flow is None for flow in flows):
        return None
    count = len(turns)
    flow = np.array(flows, np.float32).reshape(len(flows), count, count + 1)
    speaker = np.array([-1 if turn.speaker is None else turn.speaker for turn in turns], np.int32)
    tokens = np.array([turn.tokens for turn in turns], np.int64)
    said = speaker.tolist()
    return Flow(
        columns=["scaffold", *map(str, range(count))],
        layer=layer,
        layers=with_nulls(flow),
        speakers=SpeakerFlow(
            columns=["scaffold", *speakers], layers=with_nulls(speaker_flow(flow, speaker, tokens, len(speakers)))
        ),
        goal=GoalFlow(
            columns=list(speakers),
            turns=[said.index(number) if number in said else None for number in range(len(speakers))],
            layers=with_nulls(goal_flow(flow, speaker, len(speakers))),
        ),
    )


def with_nulls(values: "Arrays") -> Any:
    """An array as nested lists, null where it is not a number."""
    import numpy as np

    nested = values.astype(object)
    nested[np.isnan(values)] = None
    return nested.tolist()
