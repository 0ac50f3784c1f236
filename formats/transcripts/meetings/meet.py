"""Google Meet's transcripts, as text or Markdown of their document, with or without the notes above them."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from formats.errors import BadTranscript
from formats.notes import Notes, quoted
from formats.transcripts.meetings.headings import note_above
from formats.transcripts.named_lines import named_line, opened
from formats.transcripts.names import begins_small, folded, is_clause
from formats.transcripts.pieces import Content, Parsed, Piece, TranscriptFormat

_MARKUP: Final = " \t#*_\\📖📝✍️•"
_TRANSCRIPT: Final = re.compile(
    r"(?:.{0,200}\s[-–—]\s)?(?:transcript|transkript|transcription|transcripción|transcrição|trascrizione|transcriptie)"
)
"""A heading, or the end of a title."""
_ATTENDEES: Final = re.compile(
    r"attendees|teilnehmer|teilnehmende|asistentes|participants|participantes|partecipanti|deelnemers"
)
_ENDED: Final = re.compile(
    r"(?:meeting|transcription|session) ended after \d{1,3}:\d{2}:\d{2}|"
    r"(?:besprechung|videokonferenz|transkription|transkript|réunion|transcription|reunión|transcripción|reunião|"
    r"transcrição|riunione|trascrizione|vergadering|transcriptie)\s.{1,60}\s\d{1,3}:\d{2}:\d{2}"
)
_DISCLAIMER: Final = re.compile(
    r"this editable transcript was computer generated|dieses bearbeitbare transkript|esta transcripción editable|"
    r"cette transcription modifiable|questa trascrizione modificabile|esta transcrição editável"
)
_LOOKED_AT: Final = 400


@dataclass(slots=True)
class _Spoken:
    line: int
    name: str
    start: float | None
    texts: list[str]


def _recognizes(content: Content) -> bool:
    signs: set[str] = set()
    for line in (*islice(content.lines, _LOOKED_AT), *content.lines[-20:]):
        text = _plain(line)
        if _DISCLAIMER.match(text) or _ENDED.match(text):
            signs |= {"end", "of Meet"}
        elif _TRANSCRIPT.fullmatch(text):
            signs.add("heading")
        elif _ATTENDEES.fullmatch(text):
            signs.add("attendees")
        elif _time(line) is not None:
            signs.add("time")
    return len(signs) > 1 and any(named_line(line.strip()) is not None for line in content.lines)


def _read(content: Content) -> Parsed:
    notes = Notes()
    lines = content.lines
    begin, attendees = _begin(lines)
    end = next((index for index in range(begin, len(lines)) if _ENDED.match(_plain(lines[index]))), len(lines))
    spoken = _spoken(lines, begin, end, attendees, notes)
    if not spoken:
        raise BadTranscript("no line has a name and speech as Meet writes them: `Mira Holt: yes`", 1)
    note_above(lines, spoken[0].line - 1, notes)
    for index in range(end, len(lines)):
        if lines[index].strip():
            notes.say("what stands behind the end of the transcript is left out", line=index + 1)
    pieces = [Piece("\n".join(each.texts), each.line, each.name, each.start) for each in spoken]
    return Parsed("cues", True, pieces, notes)


def _begin(lines: Sequence[str]) -> tuple[int, frozenset[str]]:
    """The index behind the last heading of a transcript, or of the list of who was there; and who was there."""
    begin = 0
    attendees: list[str] = []
    listing: bool | None = None  # whether names of the list were met; None outside of it
    for index, line in enumerate(lines):
        text = _plain(line)
        if _TRANSCRIPT.fullmatch(text):
            begin, listing = index + 1, None
        elif _ATTENDEES.fullmatch(text):
            begin, listing = index + 1, False
        elif listing is not None and text and named_line(line) is None:
            listing = True
            attendees += line.split(",")
        elif listing or text:
            listing = None  # an empty line behind the names, or somebody who speaks
    return begin, frozenset(folded(name) for name in attendees)


def _spoken(lines: Sequence[str], begin: int, end: int, attendees: frozenset[str], notes: Notes) -> list[_Spoken]:
    named = {index: found for index in range(begin, end) if (found := named_line(lines[index].strip())) is not None}
    names = Counter(found.name for found in named.values())
    spoken: list[_Spoken] = []
    time: float | None = None
    for index in range(begin, end):
        clock, found = _time(lines[index]), named.get(index)
        if not lines[index].strip(_MARKUP) or _DISCLAIMER.match(_plain(lines[index])):
            continue
        if clock is not None:
            time = clock
        elif found is not None and _is_name(found.name, names, attendees):
            spoken.append(_Spoken(index + 1, found.name, time, [found.text]))
            time = None
        elif spoken:
            if found is not None:
                notes.say(f"{quoted(found.name)} before a colon was read as speech", line=index + 1)
            spoken[-1].texts.append(lines[index].strip(_MARKUP))
    return spoken


def _is_name(name: str, names: Counter[str], attendees: frozenset[str]) -> bool:
    """Whether it is one: who was there, who is met twice, or has not the shape of words of a sentence."""
    return name in attendees or names[name] > 1 or not (is_clause(name) or begins_small(name) is True)


def _time(line: str) -> float | None:
    """The seconds where the line is a time and nothing else."""
    stamp, rest, _ = opened(line.strip(_MARKUP))
    return None if stamp is None or stamp.clock is None or rest else stamp.clock.seconds


def _plain(line: str) -> str:
    """A line of headings in small letters, without what marks it."""
    return line[:300].strip(_MARKUP).strip(".").casefold()


FORMAT: Final = TranscriptFormat("meet", _recognizes, _read)
