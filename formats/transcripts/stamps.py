"""Stamps: the time, date or number that stands before a name or a message, in the forms in which programs write it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

Numbers = tuple[int, int, int]

_HEAD: Final = 120
"""Characters of a line in which a stamp may stand."""
_MARKS: Final = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufeff]")
"""Marks of the direction of writing, which some programs write between the numbers of a date."""

_ENDS_STAMP: Final = r"(?=\s?[\])]|\s[-–]\s)"
"""Behind a word that may as well be somebody's initials."""
_MORNING: Final = (
    r"[Aa](?:\.\s?[Mm]\.?|[Mm])(?![\w.]|\s?[:：])|上午|午前|오전|凌晨|早上|清晨|صباحًا|ص(?!\w)|ق\.ظ\.?|[πΠ]\.?[μΜ]\.?(?!\w)|पूर्वाह्न|"
    rf"(?:ÖÖ|fm|f\.m\.|de\.|dop\.|SA){_ENDS_STAMP}"
)
_EVENING: Final = (
    r"[Pp](?:\.\s?[Mm]\.?|[Mm])(?![\w.]|\s?[:：])|下午|午後|오후|中午|晚上|مساءً|م(?!\w)|ب\.ظ\.?|[μΜ]\.?[μΜ]\.?(?!\w)|अपराह्न|"
    rf"(?:ÖS|em|e\.m\.|du\.|odp\.|CH){_ENDS_STAMP}"
)
_HALF: Final = rf"(?:(?P<morning>{_MORNING})|(?P<evening>{_EVENING}))"
_HALF_BEFORE: Final = re.compile(rf"{_HALF}\s?(?=\d)")
_HALF_BEHIND: Final = re.compile(rf"\s?{_HALF}")
_CLOCK: Final = re.compile(
    r"(?P<hour>\d{1,3})(?P<sign>[:：]|\s?h\s?|\s?[时時點点시]\s?)(?P<minute>\d{1,2})"
    r"(?:[:：](?P<second>\d{1,2})(?:[.,](?P<fraction>\d{1,6})|:\d{2})?|\s?[분分])?(?!\d)"
)
_DOTTED_CLOCK: Final = re.compile(
    r"(?P<hour>\d{1,2})(?P<sign>\.)(?P<minute>\d{2})(?:\.(?P<second>\d{2}))?(?P<fraction>)(?!\d)"
)
_ZONE: Final = re.compile(r"\s?(?:Z\b|(?:UTC|GMT)(?:[+-]\d{1,2})?\b|[+-]\d{2}:?\d{2}(?![:\d]))")
_DATE: Final = re.compile(
    r"(?P<first>\d{1,4})(?:\s?[./-]\s?|\s?[年년]\s?)(?P<second>\d{1,2})(?:\s?[./-]\s?|\s?[月월]\s?)(?P<third>\d{1,4})"
    r"(?:\s?[日일]|\.(?=\s)|\s?г\.)?(?![./\d-])"
)
_MONTH: Final = r"(?P<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?"
_WRITTEN_DATE: Final = (
    re.compile(rf"(?P<day>\d{{1,2}})[ -]{_MONTH}[ ,-]{{1,2}}(?P<year>\d{{4}}|\d{{2}})\b", re.IGNORECASE),
    re.compile(rf"{_MONTH}[ -](?P<day>\d{{1,2}})[ ,-]{{1,2}}(?P<year>\d{{4}})\b", re.IGNORECASE),
)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_BETWEEN: Final = re.compile(r"\s?[,،;]\s{0,2}|T(?=\d)|\s-\s|\s{1,2}(?:(?:at|um|kl\.?|klo|ob|as|às|a las|à|o)\s)?")
_TO: Final = re.compile(r"\s{0,3}(?:-{1,2}>|→|[-–—]|to)\s{0,3}")
_WORD_BEHIND: Final = re.compile(r"\s?[^\W\d_]{1,8}\.?(?=\s[-–]\s|\])")
_NUMBER: Final = re.compile(r"(?:\[\d{1,6}\]|\(\d{1,6}\)|\d{1,6}[.)]|#\d{1,6}[.:)]?)(?:\s{1,5}|$)")
_END: Final = re.compile(r"\s{0,5}(?:(?P<mark>[-–—|:,])(?:\s{1,5}|$))?")
_CLOSING: Final = {"[": "]", "(": ")", "<": ">"}

_AMOUNT: Final = re.compile(r"[#№$€£]?\s?\d{1,6}(?:[.,]\d{1,6})?\s?%?[.)]?")
_SPAN_OF_NUMBERS: Final = re.compile(r"\d{1,4}\s?[-–—/.]\s?\d{1,4}")
_HOUR: Final = re.compile(rf"{_HALF}?\s?\d{{1,3}}(?:\s?(?:{_MORNING}|{_EVENING}))?")
_DIGIT: Final = re.compile(r"\d")
_LOG_LEVELS: Final = frozenset({"debug", "info", "notice", "warn", "warning", "error", "critical", "fatal", "trace"})
_EDGES: Final = " \t[](){}<>#,;|-–—"


@dataclass(frozen=True, slots=True)
class Clock:
    """A time as written. Of two numbers (`second` None) the file decides: hours and minutes, or minutes and seconds.

    `of_day` says that it is the time of a day, since it says which half of the day.
    """

    hour: int
    minute: int
    second: float | None
    of_day: bool = False

    @property
    def seconds(self) -> float:
        """Seconds; of two numbers hours and minutes where it is of a day, else minutes and seconds."""
        if self.second is None:
            return self.hour * 3600.0 + self.minute * 60 if self.of_day else self.hour * 60.0 + self.minute
        return self.hour * 3600.0 + self.minute * 60 + self.second


@dataclass(frozen=True, slots=True)
class Stamp:
    """What stands before a name: a date as its three numbers in the order in which they stand, a time, and its end.

    All are None of a number alone. `close` is the sign after it: a closing bracket, a dash, a colon, `|`, or nothing.
    """

    date: Numbers | None
    clock: Clock | None
    until: Clock | None
    close: str


def read_stamp(line: str) -> tuple[Stamp | None, str]:
    """The stamp that a line begins with, and the rest of the line; None and the line where there is none."""
    if not _DIGIT.search(line, 0, _HEAD):
        return None, line
    head = _MARKS.sub("", line[:_HEAD])
    start = len(head) - len(head.lstrip())
    bracket = head[start : start + 1] if head[start : start + 1] in _CLOSING else ""
    found = _stamp(head, start + len(bracket), dotted=bool(bracket))
    if found is None:
        number = _NUMBER.match(head, start)
        return (None, line) if number is None else (Stamp(None, None, None, ""), _raw(line, number.end()))
    stamp, place = found
    if bracket:
        place = _past_blanks(head, place)
        if head[place : place + 1] != _CLOSING[bracket]:
            return None, line
        place += 1
    end = _END.match(head, place)
    assert end is not None  # it matches the empty string
    if not bracket and end["mark"] is None and end.end() == place < len(head):
        return None, line  # `21:05th`
    return replace(stamp, close=_CLOSING.get(bracket, end["mark"] or "")), _raw(line, end.end())


def is_time_or_number(name: str) -> bool:
    """Whether what stands before a colon is a time, a date or a number, or the beginning of one, and so no name.

    Telephone numbers are names: of people who joined by telephone.
    """
    text = _MARKS.sub("", name[:_HEAD]).strip(_EDGES)
    if len(name) > _HEAD or not _DIGIT.search(text):
        return False
    if _AMOUNT.fullmatch(text) or _HOUR.fullmatch(text):
        return True
    if _SPAN_OF_NUMBERS.fullmatch(text):
        return len(_DIGIT.findall(text)) < 7
    found = _stamp(text, 0, dotted=True)
    if found is None:
        return False
    place = found[1]
    # `12/03/24, 21` and `00:05 --> 00` stand before a colon that is a time's own
    begun = (sign.match(text, place) for sign in (_BETWEEN, _TO))
    return place == len(text) or any(sign and _HOUR.fullmatch(text, sign.end()) for sign in begun)


def is_log(names: Iterable[str]) -> bool:
    """Whether what stands between stamps and colons are the levels of a program's log, and nobody's names."""
    return {name.casefold() for name in names} <= _LOG_LEVELS


def _stamp(text: str, place: int, *, dotted: bool) -> tuple[Stamp, int] | None:
    """The date and the time that begin at the place, in either order, or a time and its end; and the place behind."""
    dated = _date(text, place)
    if dated is not None:
        date, place = dated
        between = _BETWEEN.match(text, place)
        timed = None if between is None else _clock(text, between.end(), dotted=True)
        if timed is None:  # `1.2.3` alone may be anything
            return (Stamp(date, None, None, ""), place) if max(date) > 31 or text[place - 2 : place].isdigit() else None
        word = _WORD_BEHIND.match(text, timed[1])  # `21:05 Uhr`
        return Stamp(date, replace(timed[0], of_day=True), None, ""), timed[1] if word is None else word.end()
    timed = _clock(text, place, dotted=dotted)
    if timed is None:
        return None
    clock, place = timed
    to = _TO.match(text, place)
    until = None if to is None else _clock(text, to.end(), dotted=dotted)
    if until is not None:
        return Stamp(None, clock, until[0], ""), until[1]
    between = _BETWEEN.match(text, place)
    behind = None if between is None else _date(text, between.end())
    if behind is not None:
        return Stamp(behind[0], replace(clock, of_day=True), None, ""), behind[1]
    return Stamp(None, clock, None, ""), place


def _date(text: str, place: int) -> tuple[Numbers, int] | None:
    found = _DATE.match(text, place)
    if found is not None:
        numbers = (int(found["first"]), int(found["second"]), int(found["third"]))
        return (numbers, found.end()) if _is_date(*numbers) else None
    for form in _WRITTEN_DATE:
        found = form.match(text, place)
        if found is not None:
            year, month = int(found["year"]), _MONTHS.index(found["month"].title()) + 1
            return (year + 2000 if year < 100 else year, month, int(found["day"])), found.end()
    return None


def _is_date(first: int, second: int, third: int) -> bool:
    year_first = 1 <= second <= 12 and 1 <= third <= 31
    year_last = first >= 1 and second >= 1 and min(first, second) <= 12 and max(first, second) <= 31
    return year_first if first > 31 else year_last if third > 31 else year_first or year_last


def _clock(text: str, place: int, *, dotted: bool) -> tuple[Clock, int] | None:
    before = _HALF_BEFORE.match(text, place)
    begin = place if before is None else before.end()
    found = _CLOCK.match(text, begin) or (_DOTTED_CLOCK.match(text, begin) if dotted else None)
    if found is None or int(found["minute"]) > 59 or int(found["second"] or 0) > 59:
        return None
    if found["second"] is None and len(found["minute"]) < 2:
        return None  # `3:2`
    half = before or _HALF_BEHIND.match(text, found.end())
    end = found.end() if half is None else max(found.end(), half.end())
    zone = _ZONE.match(text, end)
    second = None if found["second"] is None else int(found["second"]) + float(f"0.{found['fraction'] or 0}")
    of_day = half is not None or found["sign"].strip() not in {":", "：", "."}
    clock = Clock(_in_day(int(found["hour"]), half), int(found["minute"]), second, of_day)
    return clock, end if zone is None else zone.end()


def _in_day(hour: int, half: re.Match[str] | None) -> int:
    if half is None or hour > 12:
        return hour
    return hour % 12 if half["morning"] is not None else hour % 12 + 12


def _past_blanks(text: str, place: int) -> int:
    while text[place : place + 1].isspace():
        place += 1
    return place


def _raw(line: str, place: int) -> str:
    """The line from the place on that is counted without marks of direction; such marks at the place are kept."""
    seen = index = 0
    while seen < place and index < len(line):
        seen += _MARKS.match(line[index]) is None
        index += 1
    return line[index:]
