"""Conversations of `from` and `value`, as ShareGPT and those after it write them."""

import json
from typing import Any

from dataset_reading import Read


def lines(*rows: Any) -> bytes:
    """JSON Lines."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def entries(*said: tuple[str, Any]) -> list[dict[str, Any]]:
    """Who says what."""
    return [{"from": who, "value": value} for who, value in said]


def test_the_file_that_gave_it_its_name() -> None:
    rows = [{"id": "QWJhYvA_0", "conversations": entries(("human", "Which knot holds?"), ("gpt", "A bowline."))}]
    read = Read(json.dumps(rows, indent=2).encode())
    assert read.described == [
        {
            "id": "QWJhYvA_0",
            "content": {
                "messages": [
                    {"role": "user", "content": "Which knot holds?"},
                    {"role": "assistant", "content": "A bowline."},
                ]
            },
        }
    ]
    assert (read.reading.layout, read.reading.container) == ("sharegpt", "json")
    assert read.reading.notes == ("the role `human` is read as `user`", "the role `gpt` is read as `assistant`")


def test_a_file_with_tools_and_a_system_prompt_beside_the_conversation() -> None:
    call = '{"name": "tide", "arguments": {"at": "noon"}}'
    row = {
        "conversations": entries(
            ("human", "High tide?"), ("function_call", call), ("observation", "3 m"), ("gpt", "3 m.")
        ),
        "system": "You know the tides.",
        "tools": "[]",
    }
    read = Read(lines(row))
    assert read.talks == [
        [
            ("system", "You know the tides."),
            ("user", "High tide?"),
            ("assistant", call),
            ("tool", "3 m"),
            ("assistant", "3 m."),
        ]
    ]
    assert read.reading.passed_over == {"tools": 1}
    assert read.reading.notes == (
        "the role `human` is read as `user`",
        "the role `function_call` is read as `assistant`",
        "the role `observation` is read as `tool`",
        "the role `gpt` is read as `assistant`",
    )


def test_a_file_with_weights_and_metadata_of_messages() -> None:
    row = {
        "conversations": [
            {"from": "system", "value": "Be brief.", "weight": None},
            {"from": "human", "value": "Why?", "weight": 0.0, "markdown": None},
            {"from": "gpt", "value": "So.", "weight": 1.0},
        ],
        "source": "airoboros2.2",
        "category": None,
    }
    read = Read(lines(row, row))
    assert read.talks == 2 * [[("system", "Be brief."), ("user", "Why?"), ("assistant", "So.")]]
    assert read.reading.passed_over == {"category": 2, "messages.markdown": 2, "messages.weight": 2, "source": 2}


def test_a_role_play_keeps_whoever_speaks() -> None:
    read = Read(lines({"conversation": entries(("Captain", "Cast off!"), ("gpt", "Aye."))}))
    assert read.talks == [[("Captain", "Cast off!"), ("assistant", "Aye.")]]
    assert read.reading.notes[0] == "`Captain` is no role that is known and is kept as it is"


def test_an_older_file_says_chatgpt_and_has_empty_answers() -> None:
    said = entries(("user", "Hm?"), ("chatgpt", " "), ("user", "Well?"), ("bing", None))
    read = Read(lines({"id": 3, "conversations": said}))
    assert read.described[0]["id"] == "3"
    assert read.talks == [[("user", "Hm?"), ("assistant", None), ("user", "Well?"), ("assistant", None)]]
    kept = (
        "messages without words are kept as such, and have no tokens but what a chat template writes for them (2 times)"
    )
    assert kept in read.reading.notes


def test_a_table_holds_the_conversation_as_json() -> None:
    cell = json.dumps(entries(("human", "Now?"), ("gpt", "No."))).replace('"', '""')
    read = Read(f'id,conversations\n5,"{cell}"\n'.encode(), "csv")
    assert (read.reading.layout, read.talks) == ("sharegpt", [[("user", "Now?"), ("assistant", "No.")]])


def test_what_is_wrong_is_told_with_its_place() -> None:
    good = {"conversations": entries(("human", "Now?"))}
    read = Read(lines(good, {"conversations": [{"from": "human"}]}, {"conversations": "no"}, {"text": "no"}))
    assert read.faults == [
        ("line 2", "/conversations/0", "give an object with `from` and `value`"),
        ("line 3", "/conversations", "give a list of objects with `from` and `value`"),
        ("line 4", "", "no field is called `conversations`, a list of objects with `from` and `value`"),
    ]
