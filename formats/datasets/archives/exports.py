"""Slack exports in an archive: each channel is a folder with a file a day, and one conversation."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from formats.datasets.archives.entries import Entries, Entry
from formats.datasets.archives.files import no_archive
from formats.datasets.archives.reading import ArchiveReading, in_file, naming, of_transcript
from formats.datasets.containers.columns import RowsAsTheyAre
from formats.datasets.contents import Contents
from formats.datasets.detection import JSON
from formats.datasets.layouts.fields import BadField, fields_of
from formats.datasets.records import Fault, Found, Record
from formats.documents import Place, Transcript
from formats.errors import BadTranscript, UnreadableFile
from formats.transcripts.chats.slack import name_of, slack_messages
from formats.transcripts.pieces import Parsed
from formats.transcripts.read import transcript_of

LAYOUT: Final = "slack"
USERS: Final = "users.json"
MANY: Final = 4
"""A channel may have so many times the limit in entries, for many are of the program, and are left out later."""
MOST_USERS: Final = 500_000
MOST_NAME: Final = 200
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}\.json")
_TOLD: Final = (
    "type",
    "subtype",
    "user",
    "user_profile",
    "username",
    "bot_id",
    "bot_profile",
    "text",
    "ts",
    "thread_ts",
)
_OF_PROFILES: Final = ("display_name", "real_name", "name")


@dataclass(frozen=True, slots=True)
class Export:
    """An export: who is who, and the days of each channel by the name of its folder."""

    users: Entry
    channels: Mapping[str, Sequence[Entry]]

    @property
    def folder(self) -> str:
        """The folder that the export stands in."""
        return self.users.folder

    @property
    def files(self) -> list[Entry]:
        """Every file that is read."""
        return [self.users, *(day for days in self.channels.values() for day in days)]


def exports_in(files: Sequence[Entry]) -> list[Export]:
    """Every export among the files."""
    days: dict[str, dict[str, list[Entry]]] = {}
    for entry in files:
        if _DAY.fullmatch(entry.base):
            outer, _, channel = entry.folder.rpartition("/")
            if channel:
                days.setdefault(outer, {}).setdefault(channel, []).append(entry)
    users = {entry.folder: entry for entry in files if entry.base == USERS}
    return [Export(users[folder], channels) for folder, channels in days.items() if folder in users]


def documents_of(export: Export, entries: Entries, reading: ArchiveReading) -> Found:
    """The conversation of each channel. Raises `UnreadableFile`."""
    reading.met(LAYOUT)
    users = _users(export, entries, reading)
    for channel, days in sorted(export.channels.items()):
        found = _channel(channel, days, users, entries, reading)
        if found is not None:
            yield found


def _users(export: Export, entries: Entries, reading: ArchiveReading) -> dict[str, str]:
    """The names of ids."""
    users: dict[str, str] = {}
    for record in _records(export.users, entries, reading):
        if isinstance(record, Fault):
            raise UnreadableFile(f"{record.place}: {record.message}")
        fields = _fields(record)
        name = name_of(fields.get("profile")) or name_of(fields)
        if name is not None and isinstance(fields.get("id"), str):
            users[fields["id"][:MOST_NAME]] = name[:MOST_NAME]
        if len(users) > MOST_USERS:
            raise UnreadableFile(f"{export.users.name}: it has more than {MOST_USERS} users; that is the limit.")
    return users


def _channel(
    channel: str, days: Sequence[Entry], users: Mapping[str, str], entries: Entries, reading: ArchiveReading
) -> Record | Fault | None:
    """The conversation of a channel; None where nobody wrote anything."""
    messages: list[Any] = []
    characters = 0
    most = (MANY * reading.limits.turns, MANY * reading.limits.document_characters)
    for day in days:
        for record in _records(day, entries, reading):
            if isinstance(record, Fault):
                return record
            message = _message(record)
            messages.append(message)
            characters += len(str(message.get("text") or ""))
            if len(messages) > most[0] or characters > most[1]:
                told = f"more than {most[0]} entries" if len(messages) > most[0] else f"more than {most[1]} characters"
                return Fault(record.place, "", f"the channel has {told}, far above the limit of a conversation")
    place = Place(1, "item", days[0].name)
    transcript = _transcript(slack_messages(messages, users), reading)
    return None if transcript is None else of_transcript(transcript, reading.identity(channel), place)


def _records(entry: Entry, entries: Entries, reading: ArchiveReading) -> Found:
    """The entries of a file of the export. Raises `UnreadableFile`."""
    contents = Contents(reading.limits, reading.notes, lambda _: RowsAsTheyAre(), no_archive, JSON)
    try:
        with naming(entry):
            for piece in entries.pieces(entry):
                yield from in_file(contents.feed(piece), entry.name)
            yield from in_file(contents.finish(), entry.name)
    finally:
        contents.close()


def _message(record: Record) -> dict[str, Any]:
    """Of a message what is read of it: exports tell each one several times over."""
    fields = _fields(record)
    kept = {name: fields[name] for name in _TOLD if name in fields}
    for name, value in kept.items():
        if isinstance(value, str) and name != "text":
            kept[name] = value[:MOST_NAME]
        elif isinstance(value, Mapping):
            kept[name] = {each: told[:MOST_NAME] for each in _OF_PROFILES if isinstance(told := value.get(each), str)}
        elif isinstance(value, list):
            kept[name] = None
    return kept


def _fields(record: Record) -> Mapping[str, Any]:
    try:
        return fields_of(record)
    except BadField:
        return {}


def _transcript(parsed: Parsed, reading: ArchiveReading) -> Transcript | None:
    """The turns of a channel, with pseudonyms where names may not be kept; None where there are none."""
    try:
        return transcript_of(parsed, LAYOUT, names=reading.names)
    except BadTranscript:
        return None
