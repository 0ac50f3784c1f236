"""Telegram Desktop's JSON of one chat."""

import json
from typing import Any

import pytest

from formats.errors import BadTranscript
from formats.transcripts.chats.telegram import FORMAT
from formats.transcripts.pieces import Content
from formats.transcripts.read import read_transcript

Message = dict[str, Any]


def message(number: int, name: str | None, text: Any, **more: Any) -> Message:
    """A message as Telegram writes it, a minute after the one before; the id goes with the name."""
    moment = 1_715_590_800 + 60 * number
    ids = {"Pia": "user101", "Yusuf": "user102", None: "user103"}
    return {
        "id": number,
        "type": "message",
        "date": f"2024-05-13T09:{number:02}:00",
        "date_unixtime": str(moment),
        "from": name,
        "from_id": ids.get(name, "user104"),
        "text": text,
        "text_entities": [],
    } | more


def export(*messages: Message, kind: str = "private_group") -> str:
    return json.dumps({"name": "Roof", "type": kind, "id": 77, "messages": messages}, ensure_ascii=False)


GROUP = export(
    {"id": 1, "type": "service", "date": "2024-05-13T08:59:00", "actor": "Pia", "action": "create_group", "text": ""},
    message(1, "Pia", "Does it still drip?"),
    message(2, "Yusuf", ["It ", {"type": "bold", "text": "does"}, ".\nSee ", {"type": "link", "text": "drip.example"}]),
    message(3, "Yusuf", "", photo="photos/photo_1.jpg", width=1, height=1),
    message(4, "Pia", "Oh.", photo="photos/photo_2.jpg"),
)
PERSONAL = export(
    message(1, "Pia", "Hello"), message(2, None, "Hello?"), message(4, "Pia", "Bye"), kind="personal_chat"
)
STICKERS = export(
    message(1, "Pia", "", media_type="sticker", sticker_emoji="🙂"),
    message(2, "Yusuf", "Nice", forwarded_from="Roofers"),
    message(3, "Pia", "", poll={"question": "When?", "answers": []}),
)
OLD = json.dumps(
    {
        "name": "Yusuf",
        "type": "personal_chat",
        "id": 5,
        "messages": [
            {
                "id": 1,
                "type": "message",
                "date": "2019-01-02T10:00:00",
                "from": "Pia",
                "from_id": 101,
                "text": "Drips?",
            },
            {"id": 2, "type": "message", "date": "2019-01-02T10:00:30", "from": "Yusuf", "from_id": 102, "text": "Yes"},
        ],
    }
)
CHANNEL = json.dumps(
    {
        "name": "Roof news",
        "type": "public_channel",
        "id": 9,
        "messages": [
            {
                "id": 1,
                "type": "message",
                "date_unixtime": "1715590800",
                "from": "Roof news",
                "from_id": "channel9",
                "author": "Pia",
                "text": "",
                "text_entities": [{"type": "plain", "text": "It is "}, {"type": "italic", "text": "dry"}],
            }
        ],
    }
)


def said(text: str) -> list[tuple[str | None, str, float | None]]:
    return [(piece.speaker, piece.text, piece.start) for piece in FORMAT.read(Content(text)).pieces]


def notes(text: str) -> list[str]:
    return list(FORMAT.read(Content(text)).notes.sentences())


def test_a_group_keeps_texts_and_counts_what_has_none() -> None:
    read = read_transcript(GROUP)
    assert [(turn.speaker, turn.text, turn.start) for turn in read.turns] == [
        ("Pia", "Does it still drip?", 0),
        ("Yusuf", "It does.\nSee drip.example", 60),
        ("Pia", "Oh.", 180),
    ]
    assert read.reading.format == "telegram"
    assert read.notes == (
        "messages of Telegram itself (joins, calls, pins) are left out (line 1)",
        "messages without text (media, stickers, polls) are left out (line 4)",
    )


def test_a_deleted_account_is_shown_by_its_id() -> None:
    assert said(PERSONAL) == [("Pia", "Hello", 0), ("user103", "Hello?", 60), ("Pia", "Bye", 180)]
    assert notes(PERSONAL) == ["`user103` has no name in the chat and is shown by id"]


def test_forwarded_messages_stay_with_who_sent_them_and_stickers_and_polls_go() -> None:
    assert said(STICKERS) == [("Yusuf", "Nice", 0)]
    assert notes(STICKERS) == [
        "messages without text (media, stickers, polls) are left out (lines 1 and 3)",
        "forwarded messages are kept as those of who forwarded them (line 2)",
    ]


def test_an_old_export_has_times_from_its_dates() -> None:
    assert said(OLD) == [("Pia", "Drips?", 0), ("Yusuf", "Yes", 30)]


def test_a_channel_speaks_under_its_own_name_and_text_may_stand_in_its_marked_parts() -> None:
    assert said(CHANNEL) == [("Roof news", "It is dry", 0)]


def test_two_people_of_one_name_stay_two_and_one_with_two_names_stays_one() -> None:
    chat = export(
        message(1, "Pia", "a"), message(2, "Pia", "b", from_id="user555"), message(3, "Pia B.", "c", from_id="user101")
    )
    assert said(chat) == [("Pia", "a", 0), ("Pia (user555)", "b", 60), ("Pia", "c", 120)]
    assert notes(chat) == [
        "`Pia` and `Pia (user555)` have the same name and are two people by their ids",
        "`Pia` is shown as `Pia B.` too, and is one person by the id",
    ]


def test_pseudonyms_stand_in_the_notes_too() -> None:
    read = read_transcript(PERSONAL, names="pseudonyms")
    assert read.notes == ("`P2` has no name in the chat and is shown by id",)


def test_an_account_of_several_chats_is_refused_with_advice() -> None:
    account = json.dumps({"about": "x", "chats": {"about": "y", "list": [json.loads(GROUP), json.loads(OLD)]}})
    assert FORMAT.recognizes(Content(account))
    with pytest.raises(BadTranscript, match=r"holds 2 chats of an account; export one chat .* upload .* data set"):
        FORMAT.read(Content(account))


@pytest.mark.parametrize(
    "other",
    [
        '{"messages": [{"role": "user", "content": "hi"}]}',
        '{"guild": {}, "channel": {}, "messages": []}',
        '[{"type": "message", "user": "U1", "ts": "1.0", "text": "x"}]',
        "[]",
        "Pia: hi",
    ],
)
def test_other_contents_are_not_taken_for_it(other: str) -> None:
    assert not FORMAT.recognizes(Content(other))


def test_what_is_no_message_is_counted_and_what_is_no_export_refused() -> None:
    assert notes(
        json.dumps({"type": "private_group", "messages": [3, {"from": "Pia", "from_id": "u1", "text": "x"}]})
    ) == ["entries of `messages` that are no messages are left out (line 1)"]
    with pytest.raises(BadTranscript, match="not the JSON object that Telegram writes"):
        FORMAT.read(Content("Pia: hi"))
    with pytest.raises(BadTranscript, match="no list `messages`"):
        FORMAT.read(Content('{"type": "private_group"}'))
