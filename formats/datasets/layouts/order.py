"""The order of what was said: by times, by what answers what, or as it stands; and seconds from the beginning."""

import heapq
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

from formats.datasets.layouts.fields import number_of

Kind = Literal["number", "offset", "clock", "short", "date"]

LONGEST_RECORDING: Final = 100_000.0
"""Seconds, somewhat more than a day: numbers up to this are seconds of a recording, and kept as they stand."""
EARLIEST_MOMENT: Final = 1e8
"""Numbers from this on are moments since 1970; with more digits in milli-, micro- or nanoseconds."""
_SCALES: Final = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
_HALF_A_DAY: Final = 43_200.0
_DAY: Final = 86_400.0
_MOST_CHARACTERS: Final = 64
_CLOCK: Final = re.compile(r"([0-9]{1,3}):([0-5][0-9])(?::([0-5][0-9])(?:[.,]([0-9]{1,9}))?)?")


class Moment(NamedTuple):
    """When something was said.

    A `number` may be seconds or a moment since 1970; an `offset` is a clock that runs from a recording's beginning, a
    `clock` the time of a day; `short` has two numbers, which may be hours and minutes or minutes and seconds.
    """

    kind: Kind
    seconds: float


def moment_of(value: Any, *, of_recording: bool = False) -> Moment | None:
    """The moment that a cell tells: a number, HH:MM:SS with or without a fraction, or ISO 8601; None for anything else.

    `of_recording` says that a clock runs from the recording's beginning.
    """
    if isinstance(value, str) and len(value) > _MOST_CHARACTERS:
        return None
    number = number_of(value)
    if number is not None:
        return Moment("number", number)
    if not isinstance(value, str):
        return None
    text = value.strip()
    clock = _CLOCK.fullmatch(text)
    if clock is not None:
        first, second, third, fraction = clock.groups()
        if third is None:
            return Moment("short", int(first) * 60.0 + int(second))
        seconds = int(first) * 3600.0 + int(second) * 60 + int(third) + float(f"0.{fraction or 0}")
        return Moment("offset" if of_recording else "clock", seconds)
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        return None
    return Moment("date", (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp())


def comparable(moments: Sequence[Moment | None]) -> list[float] | None:
    """The moments as numbers that order them, where all are told and are of one kind; else None.

    Clocks that fall by more than half a day from one row to the next have passed midnight.
    """
    kinds = {None if moment is None else moment.kind for moment in moments}
    told = [moment.seconds for moment in moments if moment is not None]
    if len(kinds) != 1 or None in kinds:
        return None
    if kinds == {"clock"}:
        days = 0
        for place in range(1, len(told)):
            days += told[place] + _DAY * days < told[place - 1] - _HALF_A_DAY
            told[place] += _DAY * days
    return told


def beginning(kind: Kind, moments: Sequence[float]) -> tuple[float, float] | None:
    """What is taken from each moment to have seconds, and how many of its units are one; None where unknown."""
    if kind == "short" or (len(moments) > 1 and min(moments) == max(moments)):
        return None
    if kind == "offset":
        return 0.0, 1.0
    first = min(moments)
    if kind == "number":
        if first >= 0 and max(moments) <= LONGEST_RECORDING:
            return 0.0, 1.0
        if first < EARLIEST_MOMENT:
            return None
        return first, next((units for least, units in _SCALES if first >= least), 1.0)
    return first, 1.0


class Circle(Exception):  # noqa: N818 - it says what happened
    """Answers answer each other in a circle; `place` is one of them."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


def in_order(moments: Sequence[float] | None, answered: Sequence[int | None]) -> list[int]:
    """The places of rows in the order in which they were said.

    With moments by these, and among equal ones an answer after what it answers; without, every answer after what it
    answers. What this leaves open stays as it stands. Raises Circle.
    """
    count = len(answered)
    after: list[list[int]] = [[] for _ in range(count)]
    waits = [False] * count
    for place, other in enumerate(answered):
        if other is not None and (moments is None or moments[place] == moments[other]):
            after[other].append(place)
            waits[place] = True
    keys = [0.0] * count if moments is None else moments
    if True not in waits:
        return sorted(range(count), key=keys.__getitem__)
    ready = [(keys[place], place) for place in range(count) if not waits[place]]
    heapq.heapify(ready)
    ordered: list[int] = []
    while ready:
        _, place = heapq.heappop(ready)
        ordered.append(place)
        for answer in after[place]:
            waits[answer] = False
            heapq.heappush(ready, (keys[answer], answer))
    if len(ordered) < count:
        raise Circle(_on_circle(answered, waits))
    return ordered


def _on_circle(answered: Sequence[int | None], waits: Sequence[bool]) -> int:
    """A row of a circle: whoever waits for ever waits for one, so following what is answered leads there."""
    place = waits.index(True)
    seen: set[int] = set()
    while place not in seen:
        seen.add(place)
        answers = answered[place]
        assert answers is not None
        place = answers
    return place
