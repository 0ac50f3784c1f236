"""Microsoft Teams' transcripts taken out of their document, and messages copied from its chat."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from formats.errors import BadTranscript
from formats.notes import Notes
from formats.transcripts.meetings.headings import are_spoken_below, headings, note_above, paragraphs
from formats.transcripts.names import folded
from formats.transcripts.pieces import Content, Parsed, Piece, TranscriptFormat
from formats.transcripts.stamps import Stamp, read_stamp
from formats.transcripts.timeline import timed

_SYSTEM: Final = re.compile(
    r".{1,200}\s(?:(?:started|stopped) (?:the )?transcription|hat die Transkription (?:gestartet|beendet)|"
    r"a (?:démarré|arrêté) la transcription|(?:inició|detuvo) la transcripción|(?:iniciou|interrompeu) a transcrição|"
    r"ha (?:avviato|interrotto) la trascrizione|heeft de transcriptie (?:gestart|gestopt))\.?"
)
_CUE: Final = re.compile(
    r"(\d{1,2}):(\d{1,2}):(\d{1,2}(?:\.\d{1,3})?)\s-->\s(\d{1,2}):(\d{1,2}):(\d{1,2}(?:\.\d{1,3})?)\s*"
)
_UNPADDED: Final = re.compile(r"\d:\d(?::|\d:\d[.\s])")
_TEAMS_GAP: Final = 3
_WORD_BEFORE: Final = re.compile(r"\[(?:Today|Yesterday|Heute|Gestern|Hier|Ayer|[A-Z][a-z]{2,8}day),?\s(?=\d)")
"""A day in words at the beginning of a chat message's time."""


def _recognizes(content: Content) -> bool:
    lines = content.lines
    if _cues(lines) or _chat_begins(lines):
        return True
    found = headings(lines)
    if not found or not are_spoken_below(found, lines):
        return False
    return any(map(_is_system, lines)) or all(heading.gap >= _TEAMS_GAP for heading in found)


def _read(content: Content) -> Parsed:
    notes = Notes()
    lines = content.lines
    cues = _cues(lines)
    if cues:
        return Parsed("cues", True, list(_spoken(lines, cues, notes)), notes)
    if _chat_begins(lines):
        return Parsed("messages", True, _messages(lines, notes), notes)
    found = headings(lines)
    if not found:
        raise BadTranscript(
            "no line has a name and a time as Teams writes them: `Mira Holt   0:03`, in a chat `[9:05 AM] Mira Holt`",
            1,
        )
    return Parsed("cues", True, list(paragraphs(lines, found, _is_system, notes)), notes)


def _is_system(line: str) -> bool:
    return _SYSTEM.fullmatch(line.strip()) is not None


def _cues(lines: Sequence[str]) -> list[int]:
    """Where times stand (`0:0:0.0 --> 0:0:3.120`), most with a name and speech below, as Teams alone writes them."""
    found = [index for index, line in enumerate(lines) if "-->" in line and _CUE.fullmatch(line.strip())]
    first = next((index for index, line in enumerate(lines) if line.strip()), None)
    unpadded = any(_UNPADDED.match(lines[index].strip()) for index in found)
    if not found or not unpadded or (lines[first or 0].startswith("WEBVTT")):
        return []
    ends = [*found[1:], len(lines)]
    whole = sum(
        sum(bool(line.strip()) for line in lines[index + 1 : end]) > 1 for index, end in zip(found, ends, strict=True)
    )
    return found if whole * 2 > len(found) else []


def _spoken(lines: Sequence[str], cues: Sequence[int], notes: Notes) -> Iterator[Piece]:
    note_above(lines, cues[0], notes)
    for index, end in zip(cues, [*cues[1:], len(lines)], strict=True):
        time = _CUE.fullmatch(lines[index].strip())
        assert time is not None  # that is how cues are found
        below = [line.strip() for line in lines[index + 1 : end] if line.strip() and not _is_system(line)]
        if len(below) < 2:
            notes.say("a time with no name and speech below it is left out", line=index + 1)
            continue
        hour, minute, second, *until = (float(number) for number in time.groups())
        start = hour * 3600 + minute * 60 + second
        yield Piece("\n".join(below[1:]), index + 1, below[0], round(start, 3), round(_seconds(*until), 3))


def _seconds(hour: float, minute: float, second: float) -> float:
    return hour * 3600 + minute * 60 + second


def _header(line: str) -> tuple[Stamp, str] | None:
    """The time and the name of a line that begins a chat message: `[9:05 AM] Mira Holt`."""
    if not line.startswith("["):
        return None
    stamp, rest = read_stamp(_WORD_BEFORE.sub("[", line, count=1))
    name = folded(rest)
    if stamp is None or stamp.clock is None or stamp.close != "]" or not 0 < len(name) <= 200 or ": " in rest:
        return None
    return stamp, name


def _chat_begins(lines: Sequence[str]) -> bool:
    """Whether the text begins with a message that is copied from a chat, and something stands below its header."""
    first = list(islice((line for line in lines if line.strip()), 2))
    return len(first) == 2 and _header(first[0].strip()) is not None and _header(first[1].strip()) is None


def _messages(lines: Sequence[str], notes: Notes) -> list[Piece]:
    found: list[tuple[int, Stamp, str, list[str]]] = []
    for number, line in enumerate(lines, start=1):
        header = _header(line.strip())
        if header is not None:
            found.append((number, *header, []))
        elif found:
            found[-1][3].append(line.strip())
    written: list[tuple[int, Stamp, str, str]] = []
    for number, stamp, name, texts in found:
        text = "\n".join(texts).strip()
        if text:
            written.append((number, stamp, name, text))
        else:
            notes.say("messages without text are left out", line=number)
    pieces = [Piece(text, number, name) for number, _, name, text in written]
    return timed(pieces, [stamp for _, stamp, _, _ in written], notes, of_day=True)


FORMAT: Final = TranscriptFormat("teams", _recognizes, _read)
