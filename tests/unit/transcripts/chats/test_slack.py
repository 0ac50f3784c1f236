"""Slack's export of a channel."""

import json
from typing import Any

import pytest

from formats.errors import BadTranscript
from formats.transcripts.chats.slack import FORMAT, name_of, slack_messages
from formats.transcripts.pieces import Content
from formats.transcripts.read import read_transcript


def message(second: int, user: str, text: str, name: str | None = None, **more: Any) -> dict[str, Any]:
    profile = {} if name is None else {"user_profile": {"display_name": name, "real_name": f"{name} Long"}}
    return {"type": "message", "user": user, "text": text, "ts": f"{1_715_590_800 + second}.000200"} | profile | more


DAY = [
    message(0, "U1", "<@U1> has joined the channel", subtype="channel_join"),
    message(10, "U1", "Does it drip &amp; drip, <@U2>?", "Pia"),
    message(20, "U2", "It does: <https://drip.example/a?b=1|the wall> &lt;3\nSee <https://drip.example>", "Yusuf"),
    message(30, "U2", "", "Yusuf", files=[{"name": "wall.jpg"}], subtype="file_share"),
    message(40, "U1", "Oh. <!here> look at <#C7|drips>, <mailto:ify@drip.example|ify@drip.example>", "Pia"),
]
THREAD = [
    message(0, "U1", "Does it drip?", "Pia", thread_ts="1715590800.000200", reply_count=1),
    message(50, "U2", "Something else", "Yusuf"),
    message(20, "U2", "It does", "Yusuf", thread_ts="1715590800.000200", parent_user_id="U1"),
]
IDS = [message(0, "U1", "Hello <@U2> and <@U9|ify>"), message(5, "U2", "Hi", "Yusuf")]
BOTS = [
    {"type": "message", "subtype": "bot_message", "bot_id": "B1", "username": "Rain", "text": "12 mm", "ts": "5.0"},
    {"type": "message", "bot_id": "B2", "bot_profile": {"name": "Door"}, "text": "open", "ts": "6.5"},
    message(0, "U1", "tombstone", subtype="tombstone"),
]
REAL_NAME = [
    {
        "type": "message",
        "user": "U1",
        "text": "a",
        "ts": "1.5",
        "user_profile": {"display_name": "", "real_name": "Pia A"},
    },
    {
        "type": "message",
        "user": "U2",
        "text": "b",
        "ts": "2.5",
        "user_profile": {"display_name": "", "real_name": "Pia A"},
    },
    {"type": "message", "user": "U1", "text": "<!date^1715590800^{date}|13 May> <!subteam^S1|@crew>", "ts": "3.5"},
]


def said(entries: list[dict[str, Any]]) -> list[tuple[str | None, str, float | None]]:
    return [(piece.speaker, piece.text, piece.start) for piece in slack_messages(entries, {}).pieces]


def notes(entries: list[dict[str, Any]]) -> list[str]:
    return list(slack_messages(entries, {}).notes.sentences())


def test_a_day_of_a_channel_has_names_links_and_signs_as_slack_shows_them() -> None:
    read = read_transcript(json.dumps(DAY))
    assert [(turn.speaker, turn.text, turn.start) for turn in read.turns] == [
        ("Pia", "Does it drip & drip, @Yusuf?", 0),
        ("Yusuf", "It does: the wall <3\nSee https://drip.example", 10),
        ("Pia", "Oh. @here look at #drips, ify@drip.example", 30),
    ]
    assert read.reading.format == "slack"
    assert read.notes == (
        "messages of Slack itself (joins, topics, pins) are left out (line 1)",
        "messages without text (files, attachments) are left out (line 4)",
    )


def test_answers_in_threads_stand_in_the_order_of_time_and_that_is_said() -> None:
    assert said(THREAD) == [("Pia", "Does it drip?", 0), ("Yusuf", "It does", 20), ("Yusuf", "Something else", 50)]
    assert notes(THREAD) == ["answers in threads stand where they were written in time, not below what they answer"]


def test_who_has_no_name_is_shown_by_id() -> None:
    assert said(IDS) == [("U1", "Hello @Yusuf and @ify", 0), ("Yusuf", "Hi", 5)]
    assert notes(IDS) == ["`U1` has no name in the chat and is shown by id"]


def test_a_table_of_users_names_them() -> None:
    read = slack_messages(IDS, {"U1": "Pia", "U9": "Ify"})
    assert [(piece.speaker, piece.text) for piece in read.pieces] == [("Pia", "Hello @Yusuf and @Ify"), ("Yusuf", "Hi")]
    assert (read.kind, read.named, list(read.notes.sentences())) == ("messages", True, [])


def test_bots_are_kept_and_said_to_be_bots() -> None:
    assert said(BOTS) == [("Rain", "12 mm", 0), ("Door", "open", 1.5)]
    assert notes(BOTS) == [
        "messages of bots are kept (lines 1 and 2)",
        "messages of Slack itself (joins, topics, pins) are left out (line 3)",
    ]


def test_real_names_stand_in_for_empty_display_names_and_two_people_of_one_name_stay_two() -> None:
    assert said(REAL_NAME) == [("Pia A", "a", 0), ("Pia A (U2)", "b", 1), ("Pia A", "13 May @crew", 2)]
    assert notes(REAL_NAME) == ["`Pia A` and `Pia A (U2)` have the same name and are two people by their ids"]


def test_a_profile_without_any_name_has_none() -> None:
    assert name_of({"display_name": " ", "name": "pia"}) == "pia"
    assert name_of({"display_name": ""}) is None
    assert name_of(None) is None


def test_entries_without_a_time_and_entries_that_are_none_are_counted() -> None:
    broken = [{"type": "message", "user": "U1", "text": "x", "ts": "soon"}, 7, *IDS]
    assert [text for _, text, _ in said(broken)] == ["Hello @Yusuf and @ify", "Hi"]
    assert notes(broken)[:2] == [
        "messages without a time (`ts`) are left out (line 1)",
        "entries that are no messages are left out (line 2)",
    ]


@pytest.mark.parametrize(
    "other",
    ["[]", "{}", '[{"role": "user", "content": "hi"}]', '[{"type": "message", "from": "Pia", "text": "x"}]', "Pia: hi"],
)
def test_other_contents_are_not_taken_for_it(other: str) -> None:
    assert not FORMAT.recognizes(Content(other))


def test_what_is_no_list_is_refused() -> None:
    with pytest.raises(BadTranscript, match="not the list of messages that Slack writes"):
        FORMAT.read(Content('{"ok": true}'))
