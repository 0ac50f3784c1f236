"""The pairs of groups in which something was tested: all their numbers are there."""

from collections.abc import Sequence
from typing import Protocol, TypeGuard

from attention.comparison.parts.effects import Level, PairTest
from attention.comparison.study import Study


class DefinedPair(Protocol):
    """A `PairTest` none of whose numbers is None."""

    @property
    def level(self) -> Level: ...
    @property
    def layer(self) -> int | None: ...
    @property
    def metric(self) -> str: ...
    @property
    def a(self) -> str: ...
    @property
    def b(self) -> str: ...
    @property
    def delta(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def p(self) -> float: ...
    @property
    def p_adjusted(self) -> float: ...
    @property
    def test(self) -> str: ...


def overall_pairs(result: Study) -> list[DefinedPair]:
    """The overall comparisons in which something was tested."""
    return [pair for pair in result.pairs if pair.level == "overall" and is_tested(pair)]


def layer_pairs(result: Study) -> list[DefinedPair]:
    """The comparisons at one layer in which something was tested."""
    return [pair for pair in result.pairs if pair.level == "layer" and is_tested(pair)]


def is_tested(pair: PairTest) -> TypeGuard[DefinedPair]:
    """Whether the pair has a p; delta, its interval and the adjusted p are then defined too."""
    return pair.p is not None


def place_in_result(pair: DefinedPair, pairs: Sequence[PairTest | DefinedPair]) -> int:
    """Where in a study's `pairs` this one stands."""
    return next(place for place, one in enumerate(pairs) if one is pair)
