"""Columns of a table with one utterance a row: which is the conversation, the speaker, what is said, and when."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from formats.datasets.layouts.fields import LABEL

_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "conversation": (
        "conversation_id", "conversation", "conv_id", "convo_id", "conversation_no", "dialog_id", "dialogue_id",
        "dialog", "dialogue", "session_id", "session", "thread_id", "thread", "chat_id", "call_id", "meeting_id",
        "meeting", "link_id",
    ),
    "speaker": (
        "speaker", "speaker_name", "speaker_id", "speaker_idx", "user", "user_name", "username", "user_id", "author",
        "author_name", "author_id", "author_role", "from", "sender", "sender_name", "sender_id", "participant",
        "participant_id", "caller", "role", "name",
    ),
    "text": ("text", "utterance", "utterance_text", "message", "content", "body", "transcript", "transcription"),
    "time": (
        "timestamp", "start", "start_time", "start_timestamp", "begin", "begin_time", "time", "created_at",
        "created_utc", "datetime", "sent_at", "ts",
    ),
    "date": ("date", "day"),
    "end": ("end", "end_time", "end_timestamp", "stop", "stop_time"),
    "reply": ("reply_to", "reply_to_id", "in_reply_to", "parent_id", "parent"),
    "id": ("id", "utterance_id", "utt_id", "message_id", "turn_id"),
    "number": (
        "turn", "turn_number", "turn_no", "turn_index", "turn_idx", "turn_id", "utterance_index", "utterance_idx",
        "utterance_number", "utterance_no", "sequence", "position",
    ),
    "domain": ("domain",),
    "labels": ("labels",),
    "cluster": ("cluster",),
}  # fmt: skip
"""What a column is, and the names that it may have; of several the first counts."""
NEEDED: Final = ("conversation", "speaker", "text")
_OF_RECORDING: Final = ("start", "begin")
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BETWEEN: Final = re.compile(r"[\s_-]+")
_MOST_CHARACTERS: Final = 60


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a row by what they are, under the names that they have; `others` are none of these.

    `of_recording`: the time is called a start, so that a clock in it runs from a recording's beginning.
    """

    found: Mapping[str, str]
    labels: tuple[str, ...]
    others: tuple[str, ...]
    of_recording: bool

    def missing(self) -> list[str]:
        """What of a conversation, a speaker and a text no column is."""
        return [what for what in NEEDED if what not in self.found]


def plain(name: str) -> str:
    """A column's name as they are compared: `Dialogue_ID`, `dialogueId` and `dialogue id` are one."""
    if len(name) > _MOST_CHARACTERS:
        return name
    return _BETWEEN.sub("_", _HUMP.sub("_", name.strip()).lower())


def columns_of(names: Iterable[str]) -> Columns:
    """What each of the columns is. `turn_id` may be an id and count the turns too; everything else is one thing."""
    given = list(names)
    by_plain: dict[str, str] = {}
    for name in given:
        by_plain.setdefault(plain(name), name)
    firsts = {what: next((each for each in known if each in by_plain), None) for what, known in _NAMES.items()}
    found = {what: by_plain[first] for what, first in firsts.items() if first is not None}
    if "date" in found and "time" not in found:
        found["time"] = found.pop("date")
    elif "date" in found and plain(found["time"]) != "time":
        del found["date"]  # the time is whole by itself
    labels = tuple(name for name in given if name.startswith(LABEL) and name != LABEL)
    read = {*found.values(), *labels}
    others = tuple(name for name in given if name not in read)
    return Columns(found, labels, others, plain(found.get("time", "")).startswith(_OF_RECORDING))


def names_of(what: str) -> tuple[str, ...]:
    """The names that such a column may have."""
    return _NAMES[what]
