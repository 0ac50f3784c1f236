"""When each message was said, in seconds: which number of a date is its day, and from when times count."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Final

from formats.notes import Notes
from formats.transcripts.pieces import Piece
from formats.transcripts.stamps import Clock, Numbers, Stamp

Span = tuple[float | None, float | None]
"""Start and end."""

_DAY: Final = 86_400.0
_FIRST_HOUR: Final = 3_600.0
"""Times of three numbers that begin later than this are times of the day, not of a recording."""
_FIRST_MINUTES: Final = 5
"""Times of two numbers whose first begins with this or more are hours and minutes, not minutes and seconds."""
_ORDERS: Final = {"day": (2, 1, 0), "month": (2, 0, 1), "year": (0, 1, 2)}
"""By what stands first: where the year, the month and the day stand."""


def spans(stamps: Sequence[Stamp | None], notes: Notes, *, of_day: bool = False) -> list[Span]:
    """Start and end of each: with dates or times of the day (`of_day`) since the first, else of the recording.

    What was decided and could be otherwise is noted. None where there is no time, or one before the first.
    """
    if any(stamp is not None and stamp.date is not None and stamp.clock is not None for stamp in stamps):
        return _dated(stamps, notes)
    clocks = [None if stamp is None else stamp.clock for stamp in stamps]
    told = [clock for clock in clocks if clock is not None]
    if not told:
        return [(None, None)] * len(stamps)
    said = of_day or any(clock.of_day for clock in told)
    if not said and not _begins_by_day(told):
        return [(None, None) if stamp is None else _recorded(stamp) for stamp in stamps]
    if not said:
        notes.say("its times were taken for times of the day: starts count from the first")
    return _by_day(stamps)


def timed(
    pieces: Sequence[Piece], stamps: Sequence[Stamp | None], notes: Notes, *, of_day: bool = False
) -> list[Piece]:
    """The pieces with the starts that their stamps tell, as `spans` gives them."""
    times = spans(stamps, notes, of_day=of_day)
    return [replace(piece, start=start) for piece, (start, _) in zip(pieces, times, strict=True)]


def since_first(moments: Sequence[float | None]) -> list[float | None]:
    """Seconds since the first moment that is told; None without a moment, and for one before the first."""
    first = next((moment for moment in moments if moment is not None), None)
    return [
        None if moment is None or first is None or moment < first else round(moment - first, 3) for moment in moments
    ]


def _begins_by_day(clocks: Sequence[Clock]) -> bool:
    """Whether times that do not say so are of the day, by how late they begin."""
    two = [clock for clock in clocks if clock.second is None]
    if len(two) < len(clocks):
        return not two and clocks[0].seconds >= _FIRST_HOUR
    return clocks[0].hour >= _FIRST_MINUTES and all(clock.hour < 24 for clock in clocks)


def _recorded(stamp: Stamp) -> Span:
    if stamp.clock is None:
        return None, None
    end = None if stamp.until is None else stamp.until.seconds
    return round(stamp.clock.seconds, 3), None if end is None else round(end, 3)


def _by_day(stamps: Sequence[Stamp | None]) -> list[Span]:
    """Since the first, one day later whenever a time is much less than the one before."""
    found: list[Span] = []
    first = last = None
    days = 0.0
    for stamp in stamps:
        if stamp is None or stamp.clock is None:
            found.append((None, None))
            continue
        now = _since_midnight(stamp.clock)
        if last is not None and now < last - _DAY / 2:
            days += _DAY
        last = now
        first = now if first is None else first
        start = now + days - first
        lasts = None if stamp.until is None else _since_midnight(stamp.until) - now
        found.append(_span(start, lasts))
    return found


def _dated(stamps: Sequence[Stamp | None], notes: Notes) -> list[Span]:
    dates = [stamp.date for stamp in stamps if stamp is not None and stamp.date is not None]
    order = _order(dates, notes)
    found: list[Span] = []
    first = None
    for stamp in stamps:
        if order is None or stamp is None or stamp.date is None or stamp.clock is None:
            found.append((None, None))
            continue
        now = _ordinal(stamp.date, order) * _DAY + _since_midnight(stamp.clock)
        first = now if first is None else first
        found.append(_span(now - first, None))
    return found


def _order(dates: Sequence[Numbers], notes: Notes) -> str | None:
    """What stands first in the dates: what makes all of them dates, then what lets the fewest go back in time.

    Where both leave a choice, the one with the least time from first to last, and that is noted.
    """
    changes = [each for index, each in enumerate(dates) if index == 0 or each != dates[index - 1]]
    found: list[tuple[int, int, str, list[int]]] = []
    years = len({numbers[0] for numbers in changes}) < len({numbers[2] for numbers in changes})
    for order in _ORDERS:
        if order == "year" and changes[0][0] < 100 and not years:
            continue  # years do not change more often than days
        try:
            days = [_ordinal(numbers, order) for numbers in changes]
        except ValueError:
            continue
        back = sum(after < before for before, after in pairwise(days))
        found.append((back, max(days) - min(days), order, [day - days[0] for day in days]))
    if not found:
        notes.say("its dates are of no calendar that is read here, so that turns have no times")
        return None
    back, _, order, since = min(found, key=lambda each: each[:2])
    others = [other for other in found if other[0] == back and other[3] != since]
    if others:
        notes.say(f"its dates can be read in more than one way; the {order} was taken to stand first")
    return order


def _ordinal(numbers: Numbers, order: str) -> int:
    """The number of the day; ValueError where it is none in that order."""
    year, month, day = (numbers[place] for place in _ORDERS[order])
    if year > 2400:
        year -= 543  # the Buddhist era
    return date(year + 2000 if year < 100 else year, month, day).toordinal()


def _since_midnight(clock: Clock) -> float:
    return clock.hour * 3600.0 + clock.minute * 60 + (clock.second or 0.0)


def _span(start: float, lasts: float | None) -> Span:
    if start < 0:
        return None, None
    return round(start, 3), None if lasts is None or lasts < 0 else round(start + lasts, 3)
