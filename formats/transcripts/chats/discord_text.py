"""DiscordChatExporter's plain text: a line with a time and a name, the message below it, then what was attached."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from formats.errors import BadTranscript
from formats.notes import Notes
from formats.transcripts.pieces import Content, Parsed, Piece
from formats.transcripts.stamps import Stamp, read_stamp
from formats.transcripts.timeline import timed

_RULE: Final = re.compile(r"={20,200}\s{0,5}")
_PINNED: Final = " (pinned)"
_BLOCKS: Final = frozenset({"{Attachments}", "{Embed}", "{Stickers}", "{Reactions}", "{Invite}"})
_EXPORTED: Final = re.compile(r"Exported [\d.,\s]{1,20} message\(s\)")
_SYSTEM: Final = re.compile(
    r"(?:Joined the server|Pinned a message|Started a thread|Changed the channel icon|Left the group|Added a recipient|"
    r"Removed a recipient)\.|Started a call that lasted [\d.,]{1,12} minutes\.|Changed the channel name(\.|: .{1,99})|"
    r"(?:Added .{1,200} to|Removed .{1,200} from) the group\."
)


@dataclass(slots=True)
class _Message:
    line: int
    stamp: Stamp
    name: str
    lines: list[str] = field(default_factory=list)


def recognizes(content: Content) -> bool:
    """Whether it begins as the exporter does: a rule of `=`, the server and the channel."""
    first = list(islice((line for line in content.lines if line.strip()), 3))
    return len(first) == 3 and bool(_RULE.fullmatch(first[0])) and first[1].startswith("Guild: ")


def read(content: Content) -> Parsed:
    """Every message of the channel. Raises BadTranscript where there is none."""
    notes = Notes()
    messages = list(_messages(content.lines))
    if not messages:
        raise BadTranscript("no line begins a message as DiscordChatExporter does: `[12-Mar-24 09:05 PM] name`", 1)
    written = [(message, text) for message in messages if (text := _written(message, notes)) is not None]
    pieces = [Piece(text, message.line, message.name) for message, text in written]
    pieces = timed(pieces, [message.stamp for message, _ in written], notes)
    return Parsed("messages", True, pieces, notes)


def _messages(lines: Sequence[str]) -> Iterator[_Message]:
    message: _Message | None = None
    for number, line in enumerate(lines, start=1):
        stamp, name = read_stamp(line) if line.startswith("[") else (None, "")
        if stamp is not None and stamp.date is not None and stamp.clock is not None and name.strip():
            if message is not None:
                yield message
            message = _Message(number, stamp, name.strip().removesuffix(_PINNED))
        elif message is not None and not _RULE.fullmatch(line) and not _EXPORTED.fullmatch(line.strip()):
            message.lines.append(line)
    if message is not None:
        yield message


def _written(message: _Message, notes: Notes) -> str | None:
    lines = message.lines
    attached = next((place for place, line in enumerate(lines) if line.strip() in _BLOCKS), None)
    text = "\n".join(lines[:attached]).strip()
    if attached is not None:
        notes.say("attachments, embeds, stickers and reactions are left out", line=message.line)
    elif not text:
        notes.say("messages without text are left out", line=message.line)
    if _SYSTEM.fullmatch(text):
        notes.say("messages of Discord itself (joins, pins, calls) are left out", line=message.line)
        return None
    return text or None
