"""Slack's export of a channel: a list of messages as JSON, with ids in place of names."""

import html
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from formats.errors import BadTranscript
from formats.notes import Notes
from formats.transcripts.chats.people import People
from formats.transcripts.pieces import Content, Parsed, Piece, TranscriptFormat

_SPEECH: Final = frozenset({"", "thread_broadcast", "reply_broadcast", "me_message", "file_share", "file_comment"})
_BOTS: Final = frozenset({"bot_message", "slackbot_response"})
_LINK: Final = re.compile(r"<([^<>|]{1,3000})(?:\|([^<>]{0,3000}))?>")
_SIGNS: Final = {"@": "@", "#": "#", "!": "@"}


def _recognizes(content: Content) -> bool:
    entries = content.json
    if not isinstance(entries, list) or not entries:
        return False
    return all(
        isinstance(entry, dict)
        and entry.get("type") == "message"
        and isinstance(entry.get("ts"), str)
        and bool({"user", "bot_id", "username", "text", "subtype"} & entry.keys())
        for entry in entries[:20]
    )


def _read(content: Content) -> Parsed:
    if not isinstance(content.json, list):
        raise BadTranscript("it is not the list of messages that Slack writes for a channel and a day")
    return slack_messages(content.json, {})


def slack_messages(entries: Sequence[Any], users: Mapping[str, str]) -> Parsed:
    """The messages of a channel in the order in which they were written.

    `users` gives the names of ids, as `users.json` of a whole export has them; where it has none, what the messages say
    of who wrote them counts. `line` of a piece is the number of its entry.
    """
    notes = Notes()
    people = People(notes)
    names = _names(entries) | dict(users)
    written = [
        (moment, number, entry, text)
        for number, entry in enumerate(entries, start=1)
        if (text := _text_of(entry, number, names, notes)) is not None and (moment := _moment(entry)) is not None
    ]
    in_order = sorted(written, key=lambda each: each[0])  # stable: equal times stay as they stand
    if any(entry.get("thread_ts") not in {None, entry.get("ts")} for _, _, entry, _ in written):
        notes.say("answers in threads stand where they were written in time, not below what they answer")
    pieces = [
        Piece(text, number, _speaker(entry, names, people), round(moment - in_order[0][0], 3))
        for moment, number, entry, text in in_order
    ]
    return Parsed("messages", True, pieces, notes)


def name_of(profile: Any) -> str | None:
    """The name that Slack shows for a profile: the display name, else the real name, else the account's."""
    if not isinstance(profile, dict):
        return None
    fields = ("display_name", "real_name", "name")
    return next(
        (str(profile[key]) for key in fields if isinstance(profile.get(key), str) and profile[key].strip()), None
    )


def _names(entries: Sequence[Any]) -> dict[str, str]:
    """The names of ids that the messages themselves tell; the first that is told of each."""
    found: dict[str, str] = {}
    for entry in entries:
        if isinstance(entry, dict) and isinstance(entry.get("user"), str):
            name = name_of(entry.get("user_profile"))
            if name is not None:
                found.setdefault(entry["user"], name)
    return found


def _text_of(entry: Any, number: int, names: Mapping[str, str], notes: Notes) -> str | None:
    """What somebody wrote; None where nobody did, which is counted in the notes."""
    if not isinstance(entry, dict) or entry.get("type") != "message":
        notes.say("entries that are no messages are left out", line=number)
        return None
    subtype = entry.get("subtype") or ""
    if subtype not in _SPEECH | _BOTS:
        notes.say("messages of Slack itself (joins, topics, pins) are left out", line=number)
        return None
    text = entry.get("text")
    if not isinstance(text, str) or not text.strip():
        notes.say("messages without text (files, attachments) are left out", line=number)
        return None
    if _moment(entry) is None:
        notes.say("messages without a time (`ts`) are left out", line=number)
        return None
    if subtype in _BOTS or entry.get("bot_id"):
        notes.say("messages of bots are kept", line=number)
    return html.unescape(_LINK.sub(lambda link: _unwrapped(link[1], link[2], names), text))


def _unwrapped(target: str, label: str | None, names: Mapping[str, str]) -> str:
    """What is between angle brackets as Slack shows it: `@U1`, `#C1|boats`, `!here`, `https://x.org|label`."""
    sign = _SIGNS.get(target[0])
    if sign is None:
        return label or target
    if label and target.startswith("!date"):
        return label
    shown = names.get(target[1:]) or label or target[1:].partition("^")[0]
    return sign + shown.removeprefix(sign)


def _speaker(entry: Mapping[str, Any], names: Mapping[str, str], people: People) -> str:
    user = entry.get("user")
    if isinstance(user, str) and user:
        return people.name(user, names.get(user))
    bot = entry.get("bot_profile")
    shown = entry.get("username") or (bot.get("name") if isinstance(bot, dict) else None)
    identity = f"bot {entry.get('bot_id') or ''} {shown or ''}"  # a bot may speak for many, each under a name
    return people.name(identity, str(shown) if shown else None)


def _moment(entry: Mapping[str, Any]) -> float | None:
    try:
        moment = float(str(entry.get("ts")))
    except ValueError:
        return None
    return moment if math.isfinite(moment) else None


FORMAT: Final = TranscriptFormat("slack", _recognizes, _read)
