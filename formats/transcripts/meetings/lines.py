"""Lines of `Name: what was said`: every line is a turn, an indented line goes on with the turn above.

Where names stand alone (`Name:`), as in transcripts of interviews, the lines below belong to them, up to the next name.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest
from typing import Final

from formats.errors import BadTranscript
from formats.notes import Notes, quoted
from formats.transcripts.named_lines import NamedLine, named_line, opened
from formats.transcripts.names import begins_small, is_clause
from formats.transcripts.pieces import Content, Parsed, Piece, TranscriptFormat
from formats.transcripts.stamps import Stamp, is_log
from formats.transcripts.timeline import spans

_GOES_ON: Final = 0.8
"""Where at least this share of the lines is named, a line without a name goes on with the one above."""
_RECOGNIZED: Final = 0.6
_MOST_UNREPEATED: Final = 5
"""More lines than this of which no name is met twice are a list of settings rather than a conversation."""
_CODE: Final = re.compile(
    r"\s{0,40}(?:def|class|import|from|return|if|elif|else|for|while|try|except|finally|with|case|switch|function|var|let|"
    r"const|public|private|protected|static|void|int|char|float|double|bool|namespace|using|struct|enum|package|func|"
    r"interface|default|#include|#define|//|/\*|\})(?:\W|$)"
)
_CODE_END: Final = re.compile(r"[{};\\]\s{0,5}$")
_SETTING: Final = re.compile(r"true|false|null|int|str|string|float|bool|[\[{].{0,200}|[\d.:,+-]{1,40}", re.IGNORECASE)
_FIELDS: Final = frozenset(
    """host content-type content-length user-agent accept accept-encoding accept-language connection cookie referer
    cache-control authorization server set-cookie location subject from to cc bcc reply-to date message-id mime-version
    received title author version name description id type status tags layout url license
    """.split()  # noqa: SIM905 - a table of words
)
"""Fields of headers, mails and settings, in small letters."""
_SENTENCE_ENDS: Final = (".", "?", "!", "…", "。", "？", "！")


@dataclass(slots=True)
class _Line:
    number: int
    text: str
    named: NamedLine | None
    time: Stamp | None
    """The time that is all of a line."""
    indented: bool


@dataclass(slots=True)
class _Turn:
    line: int
    name: str
    stamp: Stamp | None
    alone: bool
    """Whether the name stands alone, and the speech below it."""
    texts: list[str] = field(default_factory=list)


def _recognizes(content: Content) -> bool:
    if content.json is not None or content.text.lstrip()[:1] in {"{", "<"}:
        return False
    lines = list(_lines(content.lines))
    code = sum(bool(_CODE.match(line.text) or _CODE_END.search(line.text[-10:])) for line in lines)
    if code > max(1, len(lines) / 10):
        return False
    alone = _stand_alone(lines)
    told = list(_told(lines, alone))
    names = Counter(line.named.name for line in told if line.named is not None)
    if len(lines) < 2 or len(told) < 2 or not names:
        return False
    if is_log(names) or sum(name.casefold() in _FIELDS for name in names) > len(names) / 2:
        return False
    if max(names.values()) > 1:
        return names.total() >= _RECOGNIZED * len(told)
    if len(told) > _MOST_UNREPEATED or names.total() < len(told):
        return False
    below = {
        line.number for line, after in pairwise(lines) if after.indented and not after.text.endswith(_SENTENCE_ENDS)
    }
    settings = sum(line.named is not None and _is_setting(line.named, line.number in below) for line in told)
    return settings * 2 <= len(told)


def _is_setting(named: NamedLine, heads: bool) -> bool:
    """Whether the line has the shape of one of settings or of a list rather than of speech.

    `heads` says that something indented that is no sentence stands below it.
    """
    if named.listed:
        return not named.text.endswith(_SENTENCE_ENDS)
    return (heads and not named.text) or bool(_SETTING.fullmatch(named.text)) or named.name.casefold() in _FIELDS


def _read(content: Content) -> Parsed:
    notes = Notes()
    turns = list(_turns(list(_lines(content.lines)), notes))
    times = spans([turn.stamp for turn in turns], notes)
    pieces = [
        Piece("\n".join(turn.texts), turn.line, turn.name, start, end)
        for turn, (start, end) in zip(turns, times, strict=True)
    ]
    return Parsed("messages", True, pieces, notes, prefixes=True)


def _lines(lines: Sequence[str]) -> Iterator[_Line]:
    """The lines that are not empty."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        indented = line[0].isspace()
        named = None if indented else named_line(line)
        time = None
        if named is None:
            stamp, rest, _ = opened(line)
            time = stamp if stamp is not None and stamp.clock is not None and not rest else None
        yield _Line(number, line.strip(), named, time, indented)


def _stand_alone(lines: Sequence[_Line]) -> Mapping[str, int] | None:
    """How often each name stands alone, where at least two lines are such names and half of all that are named."""
    alone: Counter[str] = Counter()
    named = 0
    for line, after in zip_longest(lines, lines[1:]):
        if line.named is not None:
            named += 1
            if not line.named.text and after is not None and (after.named is None or after.named.text):
                alone[line.named.name] += 1
    return alone if alone.total() > 1 and alone.total() * 2 >= named else None


def _is_speech(line: _Line, alone: Mapping[str, int] | None) -> bool:
    """Whether a named line is speech below a name that stands alone: its own never does and has not a name's shape."""
    if alone is None or line.named is None or not line.named.text or line.named.name in alone:
        return False
    return is_clause(line.named.name) or begins_small(line.named.name) is True


def _told(lines: Sequence[_Line], alone: Mapping[str, int] | None) -> Iterator[_Line]:
    """The lines that must begin with a name: not the indented, not times, not what stands below a name alone."""
    below = False
    for line in lines:
        if line.named is not None and not _is_speech(line, alone):
            below = not line.named.text
            yield line
        elif not (line.indented or line.time is not None or below):
            yield line


def _turns(lines: Sequence[_Line], notes: Notes) -> Iterator[_Turn]:
    alone = _stand_alone(lines)
    told = list(_told(lines, alone))
    mostly = bool(told) and sum(line.named is not None for line in told) >= _GOES_ON * len(told)
    turn: _Turn | None = None
    time: Stamp | None = None
    for line in lines:
        if line.time is not None and not line.indented:
            time = line.time
        elif line.indented and turn is not None:
            turn.texts.append(line.text)
        elif line.named is not None and not (turn is not None and turn.alone and _is_speech(line, alone)):
            if turn is not None:
                yield _said(turn)
            named = line.named
            stamp = named.stamp if named.stamp is not None and named.stamp.clock is not None else time
            turn = _Turn(line.number, named.name, stamp, not named.text, [named.text] * bool(named.text))
            time = None
        elif turn is not None and (turn.alone or mostly):
            if not turn.alone:
                notes.say("a line without a name goes on with the turn above", line=line.number)
            elif line.named is not None:
                notes.say(f"{quoted(line.named.name)} before a colon was read as speech below a name", line=line.number)
            turn.texts.append(line.text)
        elif turn is None and mostly:
            notes.say("a line before the first name is left out", line=line.number)
        else:
            raise BadTranscript(
                f"line {line.number} does not begin with `Name: `: `{_short(line.text)}`; "
                "indent a line that goes on with the turn above",
                line.number,
            )
    if turn is not None:
        yield _said(turn)


def _said(turn: _Turn) -> _Turn:
    if not turn.texts:
        raise BadTranscript(f"line {turn.line} names {_short(turn.name)} but has no text", turn.line)
    return turn


def _short(line: str) -> str:
    return line if len(line) <= 60 else f"{line[:57]}..."


FORMAT: Final = TranscriptFormat("lines", _recognizes, _read)
