"""Which layout a first record has, what is refused with advice, and what plain documents are told."""

import json
from typing import Any

import pytest
from dataset_reading import CSV, Read

from formats.datasets.layouts.registry import LAYOUTS, detected
from formats.errors import UnreadableFile

MESSAGE = {"role": "user", "content": "Hi?"}
ENTRY = {"from": "human", "value": "Hi?"}


def test_the_layouts_are_those_of_the_contract() -> None:
    assert list(LAYOUTS) == ["documents", "utterances", "convokit", "sharegpt", "openai", "oasst", "hh"]


@pytest.mark.parametrize(
    ("layout", "fields"),
    [
        ("documents", {"text": "words"}),
        ("documents", {"id": "a", "domain": "prose", "text": "words", "labels": {}, "speaker": "Ada"}),
        ("documents", {"turns": [{"speaker": "Ada", "text": "Hi?"}], "conversation_id": "a"}),
        ("documents", {"turns": json.dumps([{"speaker": "Ada", "text": "Hi?"}])}),
        ("documents", {"messages": [MESSAGE], "source": "x"}),
        ("documents", {"title": "nothing that is known"}),
        ("documents", {}),
        ("openai", {"messages": [MESSAGE | {"weight": 1}]}),
        ("openai", {"messages": [{"role": "assistant", "content": None}]}),
        ("openai", {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi?"}]}]}),
        ("openai", {"conversation": [MESSAGE], "conversation_id": "a", "model": "m"}),
        ("openai", {"conversations": [MESSAGE]}),
        ("openai", {"custom_id": "a", "body": {"messages": [MESSAGE]}}),
        ("openai", {"input": {"messages": [MESSAGE]}, "preferred_output": [MESSAGE]}),
        ("sharegpt", {"conversations": [ENTRY]}),
        ("sharegpt", {"id": "a", "conversations": json.dumps([ENTRY])}),
        ("sharegpt", {"conversation": [ENTRY], "text": "the same"}),
        ("hh", {"chosen": "\n\nHuman: Hi?", "rejected": "\n\nHuman: Ho?"}),
        ("hh", {"prompt": "Hi?", "chosen": [MESSAGE], "rejected": [MESSAGE], "messages": [MESSAGE]}),
        ("oasst", {"message_id": "a", "parent_id": None, "message_tree_id": "a", "text": "Hi?", "role": "prompter"}),
        ("oasst", {"message_id": "a", "parent_id": None, "text": "Hi?", "role": "prompter"}),
        ("oasst", {"message_tree_id": "a", "prompt": {"text": "Hi?", "role": "prompter", "replies": []}}),
        ("convokit", {"id": "a", "speaker": "s", "conversation_id": "a", "reply-to": None, "text": "x", "meta": {}}),
        ("convokit", {"id": "a", "user": "s", "root": "a", "reply_to": None, "text": "x", "meta": {"n": 1}}),
        ("utterances", {"id": "a", "speaker": "s", "conversation_id": "a", "reply_to": None, "text": "x"}),
        ("utterances", {"conversation_id": "a", "speaker": "Ada", "text": "Hi?"}),
        ("utterances", {"Dialogue_ID": 3, "Speaker": "Ada", "Utterance": "Hi?"}),
        ("utterances", {"message_id": "a", "parent_id": "", "thread_id": "t", "role": "user", "text": "Hi?"}),
        ("utterances", {"sessionId": "a", "from": "bot", "message": "Hi?"}),
    ],
)
def test_the_fields_of_a_record_show_its_layout(layout: str, fields: dict[str, Any]) -> None:
    assert detected(fields) == layout


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            {"prompt": "x", "completion": "y"},
            "The records have `prompt` and `completion`: a prompt and its",
        ),
        ({"instruction": "x", "input": "", "output": "y"}, "The records have `instruction` and `output`"),
        ({"question": "x", "answer": "y"}, "Write each as messages"),
        ({"conversation_a": [MESSAGE], "conversation_b": [MESSAGE]}, "two conversations side by side"),
        (
            {"conversation_id": "a", "message": "Hi?"},
            "The records have `conversation_id` and `message`, as utterances have, and no field that says who speaks; "
            "call it `speaker`, `speaker_name`, `speaker_id`, `speaker_idx`.",
        ),
        ({"conversation_id": "a", "speaker": "Ada"}, "no field that says what is said; call it `text`"),
    ],
)
def test_what_is_known_not_to_be_read_is_refused_with_the_remedy(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(UnreadableFile) as refused:
        detected(fields)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("table", "names"),
    [
        (b"conversation_id,speaker,text\nx,Ada,Hi?\nx,Sol,Ho.\n", "`conversation_id`, `speaker`"),
        (b"thread_id,author,text\nx,Ada,Hi?\nx,Sol,Ho.\n", "`thread_id`, `author`"),
    ],
)
def test_a_table_of_utterances_that_is_named_documents_is_refused_with_the_hint(table: bytes, names: str) -> None:
    as_lines = b'{"conversation_id": "x", "speaker": "Ada", "text": "Hi?"}\n'
    for read in (Read(table, CSV, layout="documents"), Read(as_lines, layout="documents")):
        ((_, _, message),) = read.faults
        assert message.endswith("send them with `layout=utterances`, which gathers them into conversations")
    assert Read(table, CSV, layout="documents").faults[0][2].startswith(f"the rows have {names} and a text")


def test_texts_with_a_speaker_and_no_conversation_are_documents_and_say_so() -> None:
    read = Read(b"speaker,text\nAda,Hi?\nSol,Ho.\n")
    assert (read.texts, read.reading.passed_over) == (["Hi?", "Ho."], {"speaker": 2})
    assert read.reading.notes == (
        "each row is a document of its own, though it has a `speaker`; where rows are turns of one conversation, "
        "give them a `conversation_id`",
    )
