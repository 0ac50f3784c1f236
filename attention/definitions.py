"""The names, units and meanings of every number that is measured.

Plain Python without imports of torch, so that the service and the records can list metrics cheaply. The formulas stand
in `docs/metrics.md`; `DEFINITIONS` changes whenever a formula does, so that stored numbers are never mixed.
"""

from dataclasses import dataclass
from typing import Final

DEFINITIONS: Final = "hearken-metrics/1"
INTERDEPENDENCY: Final = "interdependency@1"
PROFILE: Final = f"{DEFINITIONS}/profile/1"
"""The version of everything that a searchable profile depends on: its metrics, the reference texts, the projection."""

SINK_LIMIT: Final = 1e-6
"""A row with less mass than this on keys other than the first is left out of the metrics without the sink."""


@dataclass(frozen=True)
class Metric:
    """One measured quantity: `unit` is `tokens`, `nats`, `turns` or `1`; `conversation` metrics need turns."""

    name: str
    unit: str
    conversation: bool
    summary: str


METRICS: Final[tuple[Metric, ...]] = (
    Metric("distance", "tokens", False, "How far back or ahead a token looks on average."),
    Metric("distance_without_sink", "tokens", False, "The same over every key but the sequence's first, renormalised."),
    Metric("distance_spread", "tokens", False, "Standard deviation of the signed offsets a token attends to."),
    Metric("entropy", "nats", False, "How evenly a token's attention is spread over the keys it sees."),
    Metric("entropy_without_sink", "nats", False, "The same over every key but the sequence's first, renormalised."),
    Metric("dispersion", "1", False, "Entropy as a share of the largest the row allows: 0 one key, 1 all alike."),
    Metric("interdependency", "1", False, "Far and even at once, without the first key; 1 is uniform attention."),
    Metric("sink", "1", False, "Mass on the sequence's first token."),
    Metric("scaffold", "1", False, "Mass on special tokens and template text such as speaker labels."),
    Metric("null_mass", "1", False, "Mass a learned sink takes from the real tokens."),
    Metric("cross_turn", "1", True, "Share of the mass on content that goes to other turns."),
    Metric("cross_speaker", "1", True, "Share of the mass on content that goes to turns of other speakers."),
    Metric("own_history", "1", True, "Share of the mass on content that goes to other turns of the same speaker."),
    Metric("turn_distance", "turns", True, "How many turns away the attended content lies on average."),
    Metric("cross_turn_lift", "1", True, "cross_turn over its value under uniform attention."),
    Metric("cross_speaker_lift", "1", True, "cross_speaker over its value under uniform attention."),
    Metric("own_history_lift", "1", True, "own_history over its value under uniform attention."),
    Metric(
        "cross_turn_lift_local", "1", True, "cross_turn over what the head's attention by distance alone would give."
    ),
    Metric("cross_speaker_lift_local", "1", True, "cross_speaker over what attention by distance alone would give."),
    Metric("own_history_lift_local", "1", True, "own_history over what attention by distance alone would give."),
)

PROFILE_METRICS: Final = ("distance", "dispersion", "interdependency", "sink")
"""The metrics of every head that an attention profile holds, in this order."""

METRIC_NAMES: Final[tuple[str, ...]] = tuple(metric.name for metric in METRICS)
CONVERSATION_METRIC_NAMES: Final[tuple[str, ...]] = tuple(metric.name for metric in METRICS if metric.conversation)
TURN_METRIC_NAMES: Final[tuple[str, ...]] = tuple(name for name in METRIC_NAMES if "_lift" not in name)
"""The metrics that each turn of a conversation has: means over rows. Lifts are ratios of two means, of a document."""
