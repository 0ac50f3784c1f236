"""The line with which a cue begins: its times, as the formats write them and as tools and hands spoil them."""

import re
from dataclasses import dataclass
from typing import Final

_COLON: Final = r"\s?[:：]\s?"
_CLOCK: Final = rf"(?:(\d{{1,6}}){_COLON})?(\d{{1,3}}){_COLON}(\d{{1,2}})(?:\s?[.,，]\s?(\d{{1,9}}))?"
_ARROW: Final = r"(?:-{1,3}\s?(?:>|&gt;)|[–—]\s?>|=>|→)"
_TIMES: Final = re.compile(
    rf"(?:(?P<counter>\d{{1,9}})[.)]?\s{{1,8}})?{_CLOCK}\s{{0,8}}{_ARROW}\s{{0,8}}{_CLOCK}(?P<rest>\s.*|$)", re.DOTALL
)
_BROKEN: Final = re.compile(rf"([\dOoIl:;.,：，\s]{{0,40}}){_ARROW}([\dOoIl:;.,：，\s]{{0,40}})(?P<rest>.*)", re.DOTALL)
_PAIR: Final = re.compile(r"\d\s?[:：;]\s?[\dOoIl]")
_SETTING: Final = re.compile(r"(?:region|line|position|size|align|vertical|[XYxy][12]):\S+")
_SBV_CLOCK: Final = r"(\d{1,6}):(\d{1,2}):(\d{1,2})\.(\d{1,9})"
_SBV_TIMES: Final = re.compile(rf"{_SBV_CLOCK}\s{{0,8}},\s{{0,8}}{_SBV_CLOCK}(?P<rest>\s.*|$)", re.DOTALL)
_CUT: Final = re.compile(r"\d{1,6}(?:[:：][\d:：.,，]{0,40})?\s{0,8}(?:[-–—]{1,3}>?)?")


@dataclass(frozen=True, slots=True)
class Times:
    """When a cue is shown, in seconds; None is what cannot be read.

    `counter` is a number before the times on their line, and `rest` what stands behind them and is no setting of how
    the cue is shown. `padded` says that minutes and seconds have two digits, as every caption format has them.
    """

    start: float | None
    end: float | None
    counter: int | None = None
    rest: str = ""
    padded: bool = True

    @property
    def readable(self) -> bool:
        """Whether both times can be read."""
        return self.start is not None and self.end is not None


def arrow_times(line: str) -> Times | None:
    """The times of WebVTT and SubRip; None where the line is no line of times from its beginning on.

    Commas and dots, hours or none, any number of digits and arrows of other shapes are taken alike. Hours and minutes
    alone, `10:30 --> 11:45`, are not times of a cue.
    """
    if ">" not in line and "→" not in line and "&gt;" not in line:
        return None
    found = _TIMES.match(line.strip())
    if found is None:
        return None
    counter, *parts, rest = found.groups()
    sides = parts[:4], parts[4:]
    if any(hours is None and fraction is None for hours, _, _, fraction in sides):
        return None
    padded = all(len(minutes) == len(seconds) == 2 for _, minutes, seconds, _ in sides)
    start, end = (_seconds(*side) for side in sides)
    return Times(start, end, None if counter is None else int(counter), _without_settings(rest), padded)


def broken_times(line: str) -> Times | None:
    """Times of WebVTT and SubRip of which one or both cannot be read: `00:00:0O,500 --> 00:00:02,000`."""
    if ">" not in line and "→" not in line and "&gt;" not in line:
        return None
    found = _BROKEN.match(line.strip())
    if found is None or not (_PAIR.search(found[1]) or _PAIR.search(found[2])) or _without_settings(found["rest"]):
        return None
    start, end = (_whole_clock(side.strip()) for side in (found[1], found[2]))
    return Times(start, end)


def sbv_times(line: str) -> Times | None:
    """The times of SBV, `0:00:01.000,0:00:03.000`."""
    found = _SBV_TIMES.match(line.strip())
    if found is None:
        return None
    *parts, rest = found.groups()
    return Times(_seconds(*parts[:4]), _seconds(*parts[4:]), rest=rest.strip())


def are_cut(line: str) -> bool:
    """Whether it could be the beginning of a line of times at which a file was cut off."""
    return _CUT.fullmatch(line.strip()) is not None


def are_surely_cut(line: str) -> bool:
    """Whether it can hardly be anything but the beginning of a line of times."""
    return are_cut(line) and (line.count(":") > 1 or ">" in line)


def clock_seconds(text: str) -> float | None:
    """The seconds of one time such as `00:00:01.500`."""
    return _whole_clock(text)


def _whole_clock(text: str) -> float | None:
    found = re.fullmatch(_CLOCK, text)
    if found is None or (found[1] is None and found[4] is None):
        return None
    return _seconds(*found.groups())


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> float:
    whole = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    return float(f"{whole}.{fraction or 0}")  # read as a decimal, so that 62.399 is 62.399


def _without_settings(rest: str) -> str:
    """What stands behind times, empty where it is settings of how the cue is shown."""
    rest = rest.strip()
    return "" if all(_SETTING.fullmatch(word) for word in rest.split()) else rest
