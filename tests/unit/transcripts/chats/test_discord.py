"""Discord channels as DiscordChatExporter writes them, as JSON and as plain text."""

import json
from typing import Any

import pytest

from formats.errors import BadTranscript
from formats.transcripts.chats.discord import FORMAT
from formats.transcripts.pieces import Content
from formats.transcripts.read import read_transcript


def author(name: str, nickname: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": f"1{len(name)}", "name": name, "discriminator": "0000", "nickname": nickname or name} | more


def message(minute: int, who: dict[str, Any], content: str, kind: str = "Default", **more: Any) -> dict[str, Any]:
    return {
        "id": str(900 + minute),
        "type": kind,
        "timestamp": f"2024-05-13T09:{minute:02}:00.5+02:00",
        "isPinned": False,
        "content": content,
        "author": who,
        "attachments": [],
        "embeds": [],
        "mentions": [],
    } | more


def export(*messages: dict[str, Any]) -> str:
    guild = {"id": "1", "name": "Roof"}
    channel = {"id": "2", "type": "GuildTextChat", "name": "drips"}
    return json.dumps({"guild": guild, "channel": channel, "messages": messages, "messageCount": len(messages)})


PIA, YUSUF = author("pia"), author("yusuf", "Yusuf K.")
CHANNEL = export(
    message(0, PIA, "Joined the server.", "GuildMemberJoin"),
    message(1, PIA, "Does it still drip?\nI hear it."),
    message(2, YUSUF, "It does.", "Reply"),
    message(3, YUSUF, "Here:"),
    message(3, YUSUF, "", attachments=[{"fileName": "wall.jpg"}]),
    message(4, PIA, "Pinned a message.", "ChannelPinnedMessage"),
    message(5, PIA, "Oh <@15>, <:sad:123>", mentions=[{"id": "15", "name": "yusuf", "nickname": "Yusuf K."}]),
)
SAME_NAMES = export(message(0, PIA, "a"), message(1, PIA, "b"))
BOTS = export(
    message(0, author("hook", "Roof bot", isBot=True), "New drip"),
    message(1, author("hook", "Door bot", isBot=True), "Door open"),
)
NEWEST_FIRST = export(message(9, PIA, "third"), message(5, PIA, "second"), message(1, PIA, "first"))
RAW = json.dumps(
    [
        {
            "id": "1",
            "type": 0,
            "content": "Does it drip?",
            "timestamp": "2024-05-13T09:00:00+00:00",
            "author": {"id": "7", "username": "pia", "global_name": "Pia"},
        },
        {
            "id": "2",
            "type": 19,
            "content": "Yes",
            "timestamp": "2024-05-13T09:00:10+00:00",
            "author": {"id": "8", "username": "yusuf", "global_name": None},
        },
    ]
)
RULE = "=" * 62
PLAIN = f"""{RULE}
Guild: Roof
Channel: General / drips
Topic: what drips
{RULE}

[13-May-24 09:00 PM] pia
Does it still drip?
I hear it.

Do you?

[13-May-24 09:01 PM] Yusuf K. (pinned)
It does: here.

{{Attachments}}
https://cdn.example/wall.jpg

{{Reactions}}
sad (2)

[13-May-24 09:02 PM] ify
Joined the server.


[13-May-24 09:03 PM] ify


{{Embed}}
Rain

[14-May-24 12:04 AM] pia
Oh.


{RULE}
Exported 5 message(s)
{RULE}
"""
PLAIN_NUMBERS = f"""{RULE}
Guild: Direct Messages
Channel: pia
{RULE}

[5/13/2024 9:00 PM] pia#0001
Hello

[5/13/2024 9:01 PM] yusuf#0002
Hi
"""


def said(text: str) -> list[tuple[str | None, str, float | None]]:
    return [(piece.speaker, piece.text, piece.start) for piece in FORMAT.read(Content(text)).pieces]


def notes(text: str) -> list[str]:
    return list(FORMAT.read(Content(text)).notes.sentences())


def test_a_channel_keeps_texts_under_the_names_it_shows() -> None:
    read = read_transcript(CHANNEL)
    assert [(turn.speaker, turn.text, turn.start) for turn in read.turns] == [
        ("pia", "Does it still drip?\nI hear it.", 0),
        ("Yusuf K.", "It does.", 60),
        ("Yusuf K.", "Here:", 120),
        ("pia", "Oh @Yusuf K., :sad:", 240),
    ]
    assert read.reading.format == "discord"
    assert read.notes == (
        "messages of Discord itself (joins, pins, calls) are left out (lines 1 and 6)",
        "messages without text (attachments, embeds, stickers) are left out (line 5)",
        "speakers are shown by the names that the channel shows, not by those of their accounts",
    )


def test_nothing_is_said_of_names_that_are_the_same() -> None:
    assert said(SAME_NAMES) == [("pia", "a", 0), ("pia", "b", 60)]
    assert notes(SAME_NAMES) == []


def test_bots_are_kept_each_under_its_name() -> None:
    assert said(BOTS) == [("Roof bot", "New drip", 0), ("Door bot", "Door open", 60)]
    assert "messages of bots are kept (lines 1 and 2)" in notes(BOTS)


def test_a_channel_with_the_newest_first_is_turned_round() -> None:
    assert said(NEWEST_FIRST) == [("pia", "first", 0), ("pia", "second", 240), ("pia", "third", 480)]
    assert notes(NEWEST_FIRST) == ["the newest message stands first in the file; they are read from the oldest on"]


def test_messages_as_discord_itself_gives_them_are_read() -> None:
    assert FORMAT.recognizes(Content(RAW))
    assert said(RAW) == [("Pia", "Does it drip?", 0), ("yusuf", "Yes", 10)]


def test_plain_text_is_read_by_its_headers_and_without_what_was_attached() -> None:
    read = read_transcript(PLAIN)
    assert [(turn.speaker, turn.text, turn.start) for turn in read.turns] == [
        ("pia", "Does it still drip?\nI hear it.\n\nDo you?", 0),
        ("Yusuf K.", "It does: here.", 60),
        ("pia", "Oh.", 11_040),
    ]
    assert read.reading.format == "discord"
    assert read.notes == (
        "attachments, embeds, stickers and reactions are left out (lines 13 and 26)",
        "messages of Discord itself (joins, pins, calls) are left out (line 22)",
    )


def test_plain_text_may_have_dates_in_numbers() -> None:
    assert said(PLAIN_NUMBERS) == [("pia#0001", "Hello", 0), ("yusuf#0002", "Hi", 60)]


@pytest.mark.parametrize(
    "other",
    [
        '{"messages": [{"role": "user", "content": "hi"}]}',
        '[{"role": "user", "content": "hi"}]',
        "[13/05/2024, 09:00] Pia: hi",
        f"{RULE}\nPia: hi\nYusuf: yes\n",
        "{}",
    ],
)
def test_other_contents_are_not_taken_for_it(other: str) -> None:
    assert not FORMAT.recognizes(Content(other))


def test_an_export_without_messages_is_refused() -> None:
    with pytest.raises(BadTranscript, match="no list `messages`"):
        FORMAT.read(Content('{"guild": {}, "channel": {}}'))
    with pytest.raises(BadTranscript, match="no line begins a message"):
        FORMAT.read(Content("Pia: hi"))


def test_what_is_no_message_is_counted_and_a_message_without_author_is_unknown() -> None:
    broken = json.dumps({"guild": {}, "channel": {}, "messages": [4, {"type": "Default", "content": "who?"}]})
    assert said(broken) == [("unknown", "who?", None)]
    assert notes(broken) == [
        "entries of `messages` that are no messages are left out (line 1)",
        "`unknown` has no name in the chat and is shown by id",
    ]
