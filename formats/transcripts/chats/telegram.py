"""Telegram Desktop's export of one chat as JSON (`result.json`)."""

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from formats.errors import BadTranscript
from formats.notes import Notes
from formats.transcripts.chats.people import People
from formats.transcripts.pieces import Content, Parsed, Piece, TranscriptFormat
from formats.transcripts.timeline import since_first

_CHAT: Final = re.compile(r"(?:personal|bot)_chat|(?:private|public)_(?:group|supergroup|channel)|saved_messages")
"""Types of chats."""
_NO_TEXT: Final = "messages without text (media, stickers, polls) are left out"


def _recognizes(content: Content) -> bool:
    export = content.json
    if not isinstance(export, dict):
        return False
    if _chats_of(export) is not None:
        return True
    messages = export.get("messages")
    if not isinstance(messages, list):
        return False
    return bool(_CHAT.fullmatch(str(export.get("type")))) or any(map(_is_telegram, messages[:5]))


def _is_telegram(message: Any) -> bool:
    return (
        isinstance(message, dict)
        and message.get("type") in {"message", "service"}
        and bool({"from_id", "actor_id", "date_unixtime"} & message.keys())
    )


def _chats_of(export: Mapping[str, Any]) -> list[Any] | None:
    """The chats of a whole account."""
    chats = export.get("chats")
    found = chats.get("list") if isinstance(chats, dict) else None
    return found if isinstance(found, list) else None


def _read(content: Content) -> Parsed:
    export = content.json
    if not isinstance(export, dict):
        raise BadTranscript(
            "it is not the JSON object that Telegram writes; export the chat as `Machine-readable JSON`"
        )
    chats = _chats_of(export)
    if chats is not None:
        raise BadTranscript(
            f"it holds {len(chats)} chats of an account; export one chat from its own menu, or upload the file as a "
            "data set"
        )
    if not isinstance(export.get("messages"), list):
        raise BadTranscript("it has no list `messages`, in which Telegram writes a chat")
    notes = Notes()
    people = People(notes)
    written = [
        (number, message, text)
        for number, message in enumerate(export["messages"], start=1)
        if (text := _text_of(message, number, notes)) is not None
    ]
    starts = since_first([_moment(message) for _, message, _ in written])
    pieces = [
        Piece(text, number, people.name(_string(message.get("from_id")), _string(message.get("from"))), start)
        for (number, message, text), start in zip(written, starts, strict=True)
    ]
    return Parsed("messages", True, pieces, notes)


def _text_of(message: Any, number: int, notes: Notes) -> str | None:
    """What somebody wrote; None where nobody did, which is counted in the notes."""
    if not isinstance(message, dict):
        notes.say("entries of `messages` that are no messages are left out", line=number)
        return None
    if message.get("type", "message") != "message":
        notes.say("messages of Telegram itself (joins, calls, pins) are left out", line=number)
        return None
    text = _joined(message.get("text")) or _joined(message.get("text_entities"))
    if not text.strip():
        notes.say(_NO_TEXT, line=number)
        return None
    if message.get("forwarded_from"):
        notes.say("forwarded messages are kept as those of who forwarded them", line=number)
    return text


def _joined(text: Any) -> str:
    """A text that is written as one string, or as a list of strings and marked parts."""
    if isinstance(text, str):
        return text
    if not isinstance(text, list):
        return ""
    parts = (part.get("text") if isinstance(part, dict) else part for part in text)
    return "".join(part for part in parts if isinstance(part, str))


def _moment(message: Mapping[str, Any]) -> float | None:
    """Seconds since 1970, by the clock of Greenwich where the message has it, else of who exported."""
    moment = message.get("date_unixtime")
    try:
        if isinstance(moment, str | int) and math.isfinite(float(moment)):
            return float(moment)
        return datetime.fromisoformat(f"{message.get('date')}+00:00").timestamp()
    except (ValueError, OverflowError):
        return None


def _string(value: Any) -> str | None:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


FORMAT: Final = TranscriptFormat("telegram", _recognizes, _read)
