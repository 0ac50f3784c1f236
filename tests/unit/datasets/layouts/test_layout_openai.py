"""Chat, fine-tuning, batch and preference lines, and the rows of LMSYS-Chat and WildChat."""

import io
import json
from typing import Any

import pyarrow as pa
import pytest
from dataset_reading import Read
from pyarrow import parquet


def lines(*rows: Any) -> bytes:
    """JSON Lines."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def message(role: str, content: Any, **more: Any) -> dict[str, Any]:
    """A chat message."""
    return {"role": role, "content": content} | more


def test_a_fine_tuning_file_with_tools() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "tide", "arguments": "{}"}}
    row = {
        "messages": [
            message("user", "High tide?", name="mira"),
            message("assistant", None, tool_calls=[call], weight=1),
            message("tool", "3 m", tool_call_id="call_1"),
            message("assistant", "Three metres.", weight=0),
        ],
        "tools": [{"type": "function", "function": {"name": "tide"}}],
        "parallel_tool_calls": False,
    }
    read = Read(lines(row))
    assert read.contents == [
        {
            "messages": [
                message("user", "High tide?", name="mira"),
                message("assistant", None, tool_calls=[call]),
                message("tool", "3 m", tool_call_id="call_1"),
                message("assistant", "Three metres."),
            ]
        }
    ]
    assert read.reading.layout == "openai"
    assert read.reading.passed_over == {"messages.weight": 1, "parallel_tool_calls": 1, "tools": 1}


def test_an_older_fine_tuning_file_has_function_calls() -> None:
    read = Read(
        lines(
            {
                "messages": [
                    message("assistant", "", function_call={"name": "tide", "arguments": "{}"}),
                    message("function", "3 m", name="tide"),
                ],
                "functions": [],
            }
        )
    )
    assert read.contents[0]["messages"] == [
        message("assistant", None, tool_calls=[{"type": "function", "function": {"name": "tide", "arguments": "{}"}}]),
        message("tool", "3 m", name="tide"),
    ]
    assert set(read.reading.notes) >= {
        "a `function_call` is read as the one entry of `tool_calls`",
        "the role `function` is read as `tool`, which has taken its place",
        "`name` of messages is kept for the model's chat template, where it has a place for it",
    }


def test_a_file_of_images_keeps_the_words() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    parts = [{"type": "text", "text": "What is this?"}, image, {"type": "text", "text": "Be exact."}]
    plain = {"messages": [message("user", "Hello?"), message("assistant", "Yes.")]}
    for rows in ([plain, {"messages": [message("user", parts)]}], [{"messages": [message("user", parts)]}, plain]):
        read = Read(lines(*rows))
        assert [("user", "What is this?\nBe exact.")] in read.talks
        assert read.faults == []
        assert read.reading.notes == ("parts of messages that are no text (`image_url`) are left out",)


def test_a_batch_file_has_the_messages_in_its_bodies() -> None:
    row = {
        "custom_id": "request-1",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "gpt-x", "messages": [message("system", "Help."), message("user", "Now?")], "max_tokens": 5},
    }
    read = Read(lines(row))
    assert read.described[0]["id"] == "request-1"
    assert read.talks == [[("system", "Help."), ("user", "Now?")]]
    assert read.reading.passed_over == {"body.max_tokens": 1, "body.model": 1, "method": 1, "url": 1}


PREFERENCE = {
    "input": {"messages": [message("user", "How cold is it?")], "tools": [], "parallel_tool_calls": True},
    "preferred_output": [message("assistant", "Minus three degrees.")],
    "non_preferred_output": [message("assistant", "Cold.")],
}


@pytest.mark.parametrize(
    ("branches", "answers"),
    [("preferred", ["Minus three degrees."]), ("rejected", ["Cold."]), ("all", ["Minus three degrees.", "Cold."])],
)
def test_a_preference_file_has_two_answers(branches: str, answers: list[str]) -> None:
    read = Read(lines(PREFERENCE, PREFERENCE), branches=branches)
    assert read.talks == 2 * [[("user", "How cold is it?"), ("assistant", answer)] for answer in answers]
    labels = [document.labels.get("preference") for document in read.documents]
    clusters = [document.cluster for document in read.documents]
    both = branches == "all"
    assert labels == (2 * ["preferred_output", "non_preferred_output"] if both else [None, None])
    assert clusters == (["line 1", "line 1", "line 2", "line 2"] if both else [None, None])


def test_rows_of_lmsys_chat_are_labelled_by_model_and_language() -> None:
    row = {
        "conversation_id": "33f0",
        "model": "koala-13b",
        "conversation": [message("user", "Hi?"), message("assistant", "Hello.")],
        "turn": 1,
        "language": "English",
        "openai_moderation": [{"flagged": False}],
        "redacted": False,
    }
    read = Read(lines(row))
    assert read.described == [
        {
            "id": "33f0",
            "labels": {"model": "koala-13b", "language": "English"},
            "content": {"messages": [message("user", "Hi?"), message("assistant", "Hello.")]},
        }
    ]
    assert read.reading.passed_over == {"openai_moderation": 1, "redacted": 1, "turn": 1}


def test_rows_of_wildchat_come_as_parquet() -> None:
    said = {"country": "Norway", "hashed_ip": "a1", "language": "English", "toxic": False, "turn_identifier": 101}
    table = pa.Table.from_pylist(
        [
            {
                "conversation_hash": "cfe1",
                "model": "gpt-4-0314",
                "timestamp": "2023-04-09 00:02:53",
                "conversation": [
                    {"content": "Hi?", "role": "user", **said},
                    {"content": "", "role": "assistant", **said},
                ],
                "turn": 1,
                "language": "English",
                "toxic": False,
            }
        ]
    )
    written = io.BytesIO()
    parquet.write_table(table, written)
    read = Read(written.getvalue())
    assert read.described == [
        {
            "id": "cfe1",
            "labels": {"model": "gpt-4-0314", "language": "English"},
            "content": {"messages": [message("user", "Hi?"), message("assistant", None)]},
        }
    ]
    assert read.reading.layout == "openai"
    assert {"timestamp", "turn", "toxic", "messages.toxic", "messages.hashed_ip"} <= read.reading.passed_over.keys()


def test_a_refusal_is_what_is_said() -> None:
    read = Read(lines({"messages": [message("user", "How?"), message("assistant", None, refusal="I cannot say.")]}))
    assert read.talks == [[("user", "How?"), ("assistant", "I cannot say.")]]


def test_plain_messages_are_documents_and_say_so() -> None:
    read = Read(lines({"id": "a", "messages": [message("user", "Hi?")], "model": "m"}))
    assert (read.reading.layout, read.reading.passed_over) == ("documents", {"model": 1})


def test_what_is_wrong_is_told_with_its_place() -> None:
    good = {"messages": [message("user", "Hi?", weight=1)]}
    bad = [{"messages": 5}, {"messages": ["no"]}, {"messages": [message("user", [7])]}, {"text": "none"}]
    assert Read(lines(good, *bad)).faults == [
        ("line 2", "/messages", "give a list of messages, each with a `role` and its `content`"),
        ("line 3", "/messages/0", "give an object with a `role` and its `content`"),
        ("line 4", "/messages/0/content/0", "give a text, or an object with its `type`"),
        (
            "line 5",
            "",
            "no field has messages; call it `messages`, a list of objects with a `role` and its `content`",
        ),
    ]
