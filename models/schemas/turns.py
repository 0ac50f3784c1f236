"""What an analysis says of its turns: their own values, how they move, and the flow between turns and speakers."""

from pydantic import BaseModel, Field

Matrices = list[list[list[float | None]]]


class Trajectory(BaseModel):
    """How one metric moves along the turns."""

    early: float | None = Field(description="Mean over the first third of the turns, weighted by their tokens.")
    middle: float | None
    late: float | None
    slope: float | None = Field(description="Change a turn; null where fewer than 6 turns have a value.")
    low: float | None = Field(description="Lower end of the slope's 95% interval, which allows for autocorrelation.")
    high: float | None


class TurnsDetail(BaseModel):
    """The turns in order; each list has one entry a turn."""

    speaker: list[str | None] = Field(description="Null for a turn of which no token was read.")
    tokens: list[int] = Field(description="Tokens of what was said that were read; 0 beyond a cut.")
    start: list[float | None] = Field(description="Seconds from the recording's beginning; null where it is unknown.")
    end: list[float | None] = Field(description="Likewise.")
    metrics: dict[str, list[float | None]] = Field(
        description="Each metric that is a mean over tokens: over the turn's tokens and heads, then over layers."
    )
    trajectory: dict[str, Trajectory] = Field(description="For each of these metrics.")


class SpeakerFlow(BaseModel):
    """How much each speaker's words attend to each speaker's: an S x (S+1) matrix a layer, whose rows sum to 1."""

    columns: list[str] = Field(description="`scaffold`, then the speakers.")
    layers: Matrices = Field(description="L x S x (S+1); null where no window holds words of both.")


class GoalFlow(BaseModel):
    """How much each later turn still attends to the first turn of each speaker."""

    columns: list[str] = Field(description="The speakers.")
    turns: list[int | None] = Field(description="The first turn of each speaker of which something was read.")
    layers: Matrices = Field(
        description="L x T x S; null up to and in that first turn, and where no window holds both turns."
    )


class Flow(BaseModel):
    """How much each turn's tokens attend to each turn: one T x (T+1) matrix a layer, whose rows sum to 1."""

    columns: list[str] = Field(description="`scaffold`, then the turns' numbers.")
    layer: int | None = Field(description="The one layer that was asked for; null for all.")
    layers: Matrices = Field(description="L x T x (T+1); null where no window holds both turns.")
    speakers: SpeakerFlow
    goal: GoalFlow
    heads: list[Matrices] = Field(
        default=[], description="With `include=flow_heads`: L x H x T x (T+1), measured anew for this request."
    )
