"""WhatsApp's export of one chat as text: a date and a time, a name, and a message of one or more lines."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from formats.errors import BadTranscript
from formats.notes import Notes
from formats.transcripts.chats.placeholders import MARK, is_deleted, is_notice, without_edit_mark, without_media
from formats.transcripts.names import folded
from formats.transcripts.pieces import Content, Parsed, Piece, TranscriptFormat
from formats.transcripts.stamps import Stamp, is_log, read_stamp
from formats.transcripts.timeline import timed

_LOOKED_AT: Final = 40
"""So many lines are looked at to recognize the format."""
_NAMED: Final = re.compile(r"(?P<name>[^\n]{1,200}?)\s?:(?:\s|$)")
_PAIRS: Final = (("“", "”"), ("«", "»"), ("「", "」"))
_LOW: Final = "„"
"""Opens a quotation that a high mark of either direction closes."""


@dataclass(slots=True)
class _Message:
    line: int
    stamp: Stamp
    name: str | None
    texts: list[str] = field(default_factory=list)


def _recognizes(content: Content) -> bool:
    written = islice((line for line in content.lines if line.strip()), _LOOKED_AT)
    begun = [_begun(0, line) for line in written]
    if not any(begun[:3]):
        return False
    names = {message.name for message in begun if message is not None and message.name is not None}
    return bool(names) and not is_log(names)


def _read(content: Content) -> Parsed:
    notes = Notes()
    messages = list(_messages(content.lines, notes))
    if not messages:
        raise BadTranscript("no line begins as WhatsApp's do: with a date, a time and a name", 1)
    written = [(message, text) for message in messages if (text := _written(message, notes)) is not None]
    pieces = [Piece(text, message.line, message.name) for message, text in written]
    pieces = timed(pieces, [message.stamp for message, _ in written], notes)
    return Parsed("messages", True, pieces, notes)


def _messages(lines: Sequence[str], notes: Notes) -> Iterator[_Message]:
    """All messages, those of the program (without a name) too."""
    found: list[_Message] = []
    for number, line in enumerate(lines, start=1):
        message = _begun(number, line)
        if message is not None:
            found.append(message)
        elif found:
            found[-1].texts.append(line)
        elif line.strip():
            notes.say("a line before the first message is left out", line=number)
    met = Counter(message.name for message in found if message.name is not None)
    for message in found:
        if message.name is not None and met[message.name] == 1 and _is_cut_quotation(message.name):
            message.texts[0], message.name = f"{message.name}: {message.texts[0]}", None
        yield message


def _begun(number: int, line: str) -> _Message | None:
    """The message that begins with the line, without its further lines."""
    stamp, rest = read_stamp(line)
    if stamp is None or stamp.date is None or stamp.clock is None or stamp.close not in {"]", "-", ":", "–"}:
        return None
    named = _NAMED.match(rest.removeprefix(MARK))
    name = "" if named is None else folded(named["name"])
    if named is None or not name:
        return _Message(number, stamp, None, [rest])
    return _Message(number, stamp, name, [rest.removeprefix(MARK)[named.end() :]])


def _is_cut_quotation(name: str) -> bool:
    """Whether a quotation begins in it and does not end: `Mira named the group "Boats` of `"Boats: all of us"`."""
    if _LOW in name:
        return name.count(_LOW) != name.count("“") + name.count("”")
    return name.count('"') % 2 == 1 or any(name.count(opened) != name.count(closed) for opened, closed in _PAIRS)


def _written(message: _Message, notes: Notes) -> str | None:
    """What somebody wrote; None where nobody did, which is counted in the notes."""
    text = "\n".join(message.texts).strip()
    if message.name is None or is_notice(text):
        notes.say("lines of WhatsApp itself, not of a speaker, are left out", line=message.line)
        return None
    text, edited = without_edit_mark(text)
    if is_deleted(text):
        notes.say("deleted messages are left out", line=message.line)
        return None
    said, medium = without_media(text)
    if medium:
        words = "media are left out" if not said.strip() else "media are left out; the words beside them are kept"
        notes.say(words, line=message.line)
    elif said.startswith(MARK) and "\n" not in said and "://" not in said:
        notes.say("lines of WhatsApp itself, not of a speaker, are left out", line=message.line)
        return None
    if edited:
        notes.say("marks that a message was edited are left out", line=message.line)
    said = said.replace(MARK, "").strip()
    if not said and not medium:
        notes.say("messages without text are left out", line=message.line)
    return said or None


FORMAT: Final = TranscriptFormat("whatsapp", _recognizes, _read)
