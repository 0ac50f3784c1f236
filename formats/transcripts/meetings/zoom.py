"""Zoom's saved chat (as the program and as the website write it), and its saved captions."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Literal

from formats.errors import BadTranscript
from formats.notes import Notes
from formats.transcripts.meetings.headings import note_above
from formats.transcripts.names import folded
from formats.transcripts.pieces import Content, Parsed, Piece, TranscriptFormat
from formats.transcripts.stamps import Stamp, read_stamp
from formats.transcripts.timeline import timed

_FROM: Final = re.compile(r"(?P<from>from|von|van|de|da)\s{1,4}(?=\S)", re.IGNORECASE)
_TO_WORDS: Final = {"from": "to", "von": "an", "van": "aan", "de": "a|à|para", "da": "a"}
_TO: Final = {
    word: tuple(re.compile(rf"{blanks}(?:{to})\s{{1,3}}", re.IGNORECASE) for blanks in (r"\s{2}", r"\s"))
    for word, to in _TO_WORDS.items()
}
"""By the word for `from`: the word for `to`, between two blanks as some versions write it, or one."""
_ALONE: Final = re.compile(
    r"\((?:direct message|privately|direktnachricht|privat|mensaje directo|message direct|en privé)\)"
)
_COLON: Final = re.compile(r"\s?:(?=\s|$)")
_LISTED: Final = re.compile(r"\s?\d{1,2}:\d{2}:\d{2}\t\s?(?P<name>[^\t\n]{0,199}\S):\t")
_CAPTION: Final = re.compile(r"\[(?P<name>[^\]\n]{0,199}[^\]\s])\]\s(?P<time>\d{1,2}:\d{2}:\d{2}(?:\s[AP]M)?)\s{0,5}")
_MOST_HEADER: Final = 500
_REACTION: Final = re.compile(
    r"Reacted to \".{0,300}\" with .{1,60}|Removed an? .{1,60} reaction from \".{0,300}\"", re.DOTALL
)
_SMALL_REACTION: Final = re.compile(r"(?:add|remove) [^\w\s]{1,12}")
_REPLY: Final = re.compile(r"Replying to \"[^\"\n]{0,300}\"\s{0,10}")

_Kind = Literal["chat", "website", "captions"]


@dataclass(slots=True)
class _Message:
    line: int
    stamp: Stamp
    name: str
    to: str
    texts: list[str] = field(default_factory=list)


def _recognizes(content: Content) -> bool:
    return _kind(content.lines) is not None


def _read(content: Content) -> Parsed:
    kind = _kind(content.lines)
    if kind is None:
        raise BadTranscript(
            "no line begins as Zoom's do: `21:05:12 From Mira Holt to Everyone:`, in captions `[Mira Holt] 21:05:12`",
            1,
        )
    notes = Notes()
    messages = list(_messages(content.lines, kind, notes))
    written = [(message, text) for message in messages if (text := _written(message, notes)) is not None]
    pieces = [Piece(text, message.line, message.name) for message, text in written]
    pieces = timed(pieces, [message.stamp for message, _ in written], notes, of_day=kind == "chat")
    return Parsed("cues" if kind == "captions" else "messages", True, pieces, notes)


def _kind(lines: Sequence[str]) -> _Kind | None:
    """Which of the three the first lines show."""
    for line in islice((line for line in lines if line.strip()), 3):
        for kind in _KINDS:
            if _begun(0, line, kind) is not None:
                return kind
    return None


def _messages(lines: Sequence[str], kind: _Kind, notes: Notes) -> Iterator[_Message]:
    message: _Message | None = None
    for number, line in enumerate(lines, start=1):
        begun = _begun(number, line, kind)
        if begun is None:
            if message is not None:
                message.texts.append(line.strip())
            continue
        if message is None:
            note_above(lines, number - 1, notes)
        else:
            yield message
        message = begun
    if message is not None:
        yield message


def _begun(number: int, line: str, kind: _Kind) -> _Message | None:
    """The message or caption that begins with the line."""
    if kind == "captions":
        caption = _CAPTION.fullmatch(line.strip())
        stamp = None if caption is None else read_stamp(caption["time"])[0]
        return None if caption is None or stamp is None else _Message(number, stamp, folded(caption["name"]), "")
    stamp, rest = read_stamp(line)
    if stamp is None or stamp.clock is None or stamp.clock.second is None or stamp.close:
        return None
    if kind == "chat":
        return _chatted(number, stamp, rest.lstrip())
    listed = _LISTED.match(line)
    return (
        None if listed is None else _Message(number, stamp, folded(listed["name"]), "", [line[listed.end() :].strip()])
    )


def _chatted(number: int, stamp: Stamp, rest: str) -> _Message | None:
    """`From Mira Holt to Everyone : yes`."""
    begin = _FROM.match(rest)
    colon = None if begin is None else _COLON.search(rest, begin.end(), _MOST_HEADER)
    if begin is None or colon is None:
        return None
    who = rest[begin.end() : colon.start()]
    word = begin["from"].casefold()
    to = next((found[-1] for sign in _TO[word] if (found := list(sign.finditer(who)))), None)
    if to is None and word != "from":
        return None  # `De Vries: yes`
    name = folded(who if to is None else who[: to.start()])
    return _Message(number, stamp, name, "" if to is None else who[to.end() :], [rest[colon.end() :].strip()])


def _written(message: _Message, notes: Notes) -> str | None:
    """What somebody wrote; None where it is a reaction or empty, which is counted in the notes."""
    text = "\n".join(message.texts).strip()
    if _REACTION.fullmatch(text) or _SMALL_REACTION.fullmatch(text):
        notes.say("reactions are left out", line=message.line)
        return None
    reply = _REPLY.match(text)
    if reply is not None and text[reply.end() :].strip():
        notes.say("what a message answers to (`Replying to ...`) is left out", line=message.line)
        text = text[reply.end() :].strip()
    if not text:
        notes.say("messages without text are left out", line=message.line)
        return None
    if _ALONE.search(message.to.casefold()):
        notes.say("messages to one person alone are kept", line=message.line)
    return text


_KINDS: Final[tuple[_Kind, ...]] = ("chat", "website", "captions")
FORMAT: Final = TranscriptFormat("zoom", _recognizes, _read)
