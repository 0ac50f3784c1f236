"""Discord channels as DiscordChatExporter writes them: JSON, or plain text."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from formats.errors import BadTranscript
from formats.notes import Notes
from formats.transcripts.chats import discord_text
from formats.transcripts.chats.people import People
from formats.transcripts.pieces import Content, Parsed, Piece, TranscriptFormat
from formats.transcripts.timeline import since_first

_SPEECH: Final = frozenset(
    {"Default", "Reply", "ThreadStarterMessage", "ChatInputCommand", "ContextMenuCommand", "ApplicationCommand"}
    | {"0", "19", "20", "21", "23"}
)
"""Types of messages that somebody wrote, by name or by Discord's number."""
_MENTION: Final = re.compile(r"<@!?(\d{1,25})>")
_EMOJI: Final = re.compile(r"<a?(:\w{1,40}:)\d{1,25}>")


def _recognizes(content: Content) -> bool:
    messages = _messages_of(content.json)
    if messages is None:
        return discord_text.recognizes(content)
    if isinstance(content.json, dict) and {"guild", "channel"} <= content.json.keys():
        return True
    return bool(messages) and all(map(_is_discord, messages[:5]))


def _messages_of(export: Any) -> list[Any] | None:
    """The messages of an export, or of a list as Discord itself gives it."""
    messages = export.get("messages") if isinstance(export, dict) else export
    return messages if isinstance(messages, list) else None


def _is_discord(message: Any) -> bool:
    return (
        isinstance(message, dict)
        and isinstance(message.get("content"), str)
        and isinstance(message.get("author"), dict)
        and "timestamp" in message
        and bool({"name", "username"} & message["author"].keys())
    )


def _read(content: Content) -> Parsed:
    if content.json is None:
        return discord_text.read(content)
    messages = _messages_of(content.json)
    if messages is None:
        raise BadTranscript("it has no list `messages`, in which DiscordChatExporter writes a channel")
    notes = Notes()
    people = People(notes)
    written = [
        (number, message, text)
        for number, message in _in_time(messages, notes)
        if (text := _text_of(message, number, notes)) is not None
    ]
    starts = since_first([_moment(message) for _, message, _ in written])
    pieces = [
        Piece(text, number, _speaker(message, people, notes, number), start)
        for (number, message, text), start in zip(written, starts, strict=True)
    ]
    return Parsed("messages", True, pieces, notes)


def _in_time(messages: Sequence[Any], notes: Notes) -> Sequence[tuple[int, Any]]:
    """The messages with their numbers, turned round where the newest stands first."""
    numbered = list(enumerate(messages, start=1))
    moments = [moment for message in messages if isinstance(message, dict) and (moment := _moment(message)) is not None]
    if len(moments) > 1 and moments[0] > moments[-1] and all(after <= before for before, after in pairwise(moments)):
        notes.say("the newest message stands first in the file; they are read from the oldest on")
        numbered.reverse()
    return numbered


def _text_of(message: Any, number: int, notes: Notes) -> str | None:
    """What somebody wrote; None where nobody did, which is counted in the notes."""
    if not isinstance(message, dict):
        notes.say("entries of `messages` that are no messages are left out", line=number)
        return None
    if str(message.get("type", "Default")) not in _SPEECH:
        notes.say("messages of Discord itself (joins, pins, calls) are left out", line=number)
        return None
    text = message.get("content")
    if not isinstance(text, str) or not text.strip():
        notes.say("messages without text (attachments, embeds, stickers) are left out", line=number)
        return None
    shown = {str(user.get("id")): _shown(user) for user in _dicts(message.get("mentions"))}
    text = _MENTION.sub(lambda mention: f"@{shown.get(mention[1]) or mention[1]}", text)
    return _EMOJI.sub(r"\1", text)


def _speaker(message: Mapping[str, Any], people: People, notes: Notes, number: int) -> str:
    author = message.get("author")
    if not isinstance(author, dict):
        return people.name(None, None)
    if author.get("isBot") or author.get("bot"):
        notes.say("messages of bots are kept", line=number)
    account = author.get("name") or author.get("username")
    shown = _shown(author)
    if shown is not None and account is not None and shown != account:
        notes.say("speakers are shown by the names that the channel shows, not by those of their accounts", count=0)
    identity = None if author.get("id") is None else str(author["id"])
    if author.get("isBot") or author.get("bot"):
        identity = f"bot {shown}"  # a webhook speaks for many, each under a name
    return people.name(identity, shown)


def _shown(user: Mapping[str, Any]) -> str | None:
    """The name that the channel shows: in the server, else of the person, else of the account."""
    for field in ("nickname", "nick", "global_name", "name", "username"):
        if isinstance(user.get(field), str) and user[field].strip():
            return str(user[field])
    return None


def _dicts(values: Any) -> Sequence[Mapping[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _moment(message: Mapping[str, Any]) -> float | None:
    try:
        moment = datetime.fromisoformat(str(message.get("timestamp")))
    except ValueError:
        return None
    return (moment if moment.tzinfo else datetime.fromisoformat(f"{moment.isoformat()}+00:00")).timestamp()


FORMAT: Final = TranscriptFormat("discord", _recognizes, _read)
