"""The columns of a table that hold times, told by their form: `hh:mm:ss.ms`, seconds, milliseconds or frames."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_MOST_BEFORE: Final = 2
"""Columns before the times: of the tier and of the participant."""
_MOST_TIMES: Final = 12
_ROUNDING_SECONDS: Final = 0.0021
_FORMS: Final[Mapping[str, re.Pattern[str]]] = {
    "clock": re.compile(r"\d{1,3}:\d{2}:\d{2}[.,]\d{1,3}"),
    "milliseconds": re.compile(r"\d{1,10}"),
    "seconds": re.compile(r"\d{1,7}[.,]\d{1,3}"),
    "frames": re.compile(r"\d{1,3}:\d{2}:\d{2}[:;]\d{2}"),
}
"""From the most exact on."""
_DURATION: Final = re.compile(r"dura|durée|dauer|duur|varaktighet|длит|时长|持续|長さ|期間", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TimeColumns:
    """Columns `first` to `past` hold times; `begin` and, where they are known, `end` or `duration` are read.

    `told` says that the numbers themselves show what is begin, end and duration.
    """

    first: int
    past: int
    begin: int
    end: int | None
    duration: int | None
    told: bool

    def begin_in(self, cells: Sequence[str]) -> bool:
        """Whether a row has times, so that it is no heading."""
        return any(_form_of(cell) for cell in cells[self.first : self.past])

    def span(self, cells: Sequence[str]) -> tuple[float | None, float | None]:
        """Start and end of a row, in seconds."""
        start = _seconds(cells, self.begin)
        if self.duration is None:
            return start, _seconds(cells, self.end)
        lasts = _seconds(cells, self.duration)
        return start, None if start is None or lasts is None else round(start + lasts, 3)


def time_columns(rows: Sequence[Sequence[str]], header: Sequence[str]) -> TimeColumns | None:
    """The columns of times of a table; None where there are none. `header` may be empty."""
    forms = [_form([row[column] for row in rows if column < len(row)]) for column in range(_MOST_BEFORE + _MOST_TIMES)]
    found = [columns for first in range(_MOST_BEFORE + 1) if (columns := _from(first, forms, rows, header)) is not None]
    return max(found, key=lambda columns: (columns.told, columns.past - columns.first), default=None)


def _form(cells: Sequence[str]) -> str | None:
    counted = Counter(_form_of(cell) for cell in cells)
    form, count = counted.most_common(1)[0] if counted else (None, 0)
    return form if _almost_all(count, len(cells)) else None


def _form_of(cell: str) -> str | None:
    return next((name for name, form in _FORMS.items() if form.fullmatch(cell.strip())), None)


def _from(
    first: int, forms: Sequence[str | None], rows: Sequence[Sequence[str]], header: Sequence[str]
) -> TimeColumns | None:
    """The times as ELAN writes them: begin, end and duration, each in all the forms that were asked for."""
    kinds: list[str] = []
    for form in forms[first:]:
        if form is None or form in kinds:
            break
        kinds.append(form)
    if not kinds:
        return None
    width = len(kinds)
    times = 0
    while times < 3 and list(forms[first + times * width : first + (times + 1) * width]) == kinds:
        times += 1
    exact = first + kinds.index(min(kinds, key=list(_FORMS).index))
    at = [exact + time * width for time in range(times)]
    clock = kinds[0] in ("clock", "frames")  # no annotation looks like one
    if times == 3 and (clock or _agree(rows, at, _is_rest)):
        return TimeColumns(first, first + 3 * width, at[0], at[1], None, True)
    times = min(times, 2)
    past = first + times * width
    if times < 2:
        return TimeColumns(first, past, at[0], None, None, False)
    in_order = kinds == ["frames"] or _agree(rows, at[:2], _is_later)
    lasts = at[1] < len(header) and _DURATION.search(header[at[1]]) is not None
    if lasts or not in_order:
        return TimeColumns(first, past, at[0], None, at[1], False)
    return TimeColumns(first, past, at[0], at[1], None, clock)


def _agree(rows: Sequence[Sequence[str]], at: Sequence[int], holds: Callable[[Sequence[float]], bool]) -> bool:
    """Whether it holds in almost all rows that have every time, of which there is at least one."""
    spans = [[_seconds(row, column) for column in at] for row in rows]
    whole = [[time for time in span if time is not None] for span in spans]
    told = [span for span in whole if len(span) == len(at)]
    return bool(told) and _almost_all(sum(map(holds, told)), len(told))


def _almost_all(count: int, total: int) -> bool:
    """All but one, or a tenth of many: rows may be damaged."""
    return total - count <= max(total > 2, total // 10)


def _is_rest(times: Sequence[float]) -> bool:
    begin, end, duration = times
    return abs(end - begin - duration) <= _ROUNDING_SECONDS


def _is_later(times: Sequence[float]) -> bool:
    begin, end = times
    return end >= begin


def _seconds(cells: Sequence[str], column: int | None) -> float | None:
    """The time in a cell; None where it is none, and of frames, whose length is not known."""
    cell = "" if column is None or column >= len(cells) else cells[column].strip().replace(",", ".")
    form = _form_of(cell)
    if form == "clock":
        hours, minutes, seconds = cell.split(":")
        return round(int(hours) * 3600 + int(minutes) * 60 + float(seconds), 3)
    if form == "seconds":
        return round(float(cell), 3)
    return round(int(cell) / 1000, 3) if form == "milliseconds" else None
