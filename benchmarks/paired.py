"""Two ways of doing one thing, timed in turn so that whatever else the machine does falls on both."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Paired:
    """Medians in seconds, and the median and range of the ratios of each round: ours over theirs."""

    ours: float
    theirs: float
    ratio: float
    lowest: float
    highest: float
    rounds: int


def paired(ours: Callable[[], object], theirs: Callable[[], object], *, rounds: int, warm_up: bool = True) -> Paired:
    """Time both `rounds` times after one warm-up each, changing which goes first."""
    if warm_up:
        ours()
        theirs()
    times: list[tuple[float, float]] = []
    for number in range(rounds):
        if number % 2:
            second, first = _timed(theirs), _timed(ours)
        else:
            first, second = _timed(ours), _timed(theirs)
        times.append((first, second))
    ratios = [mine / other for mine, other in times]
    return Paired(
        ours=median(mine for mine, _ in times),
        theirs=median(other for _, other in times),
        ratio=median(ratios),
        lowest=min(ratios),
        highest=max(ratios),
        rounds=rounds,
    )


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def times_of(found: Paired) -> str:
    """What a pair's figures are, in words."""
    return (
        f"{found.ours * 1000:.0f} ms against {found.theirs * 1000:.0f} ms, "
        f"ratios {found.lowest:.2f} to {found.highest:.2f} in {found.rounds} rounds"
    )
