"""Pairs of a chosen and a rejected conversation, as HH-RLHF and the sets after it have them."""

import json
from typing import Any

import pytest
from dataset_reading import Read


def lines(*rows: Any) -> bytes:
    """JSON Lines."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


PAIR = {
    "chosen": "\n\nHuman: Which rope?\n\nAssistant: The long one.\n\nHuman: Why?\n\nAssistant: It reaches.",
    "rejected": "\n\nHuman: Which rope?\n\nAssistant: The long one.\n\nHuman: Why?\n\nAssistant: Ask again.",
}
BEFORE = [("user", "Which rope?"), ("assistant", "The long one."), ("user", "Why?")]


@pytest.mark.parametrize(
    ("branches", "answers", "note"),
    [
        ("preferred", ["It reaches."], "`chosen` is read; `branches` can ask for `rejected` or for both"),
        ("rejected", ["Ask again."], "`rejected` is read; `branches` can ask for `chosen` or for both"),
        ("all", ["It reaches.", "Ask again."], "`chosen` and `rejected` are both read, with the label `preference`"),
    ],
)
def test_the_set_that_gave_it_its_name(branches: str, answers: list[str], note: str) -> None:
    read = Read(lines(PAIR), branches=branches)
    assert read.talks == [[*BEFORE, ("assistant", answer)] for answer in answers]
    assert (read.reading.layout, read.reading.notes) == ("hh", (note,))
    if branches == "all":
        assert [(each["labels"], each["cluster"]) for each in read.described] == [
            ({"preference": "chosen"}, "line 1"),
            ({"preference": "rejected"}, "line 1"),
        ]


def test_only_the_first_word_of_a_paragraph_says_who_speaks() -> None:
    words = "Write a play.\nHuman: enters.\n\nThe Human: leaves"
    row = {"chosen": f"\n\nHuman: {words}\n\nAssistant: Done. Assistant: out", "rejected": "Human: x\n\nAssistant: y"}
    assert Read(lines(row)).talks == [[("user", words), ("assistant", "Done. Assistant: out")]]


def test_a_set_of_whole_conversations_as_messages_with_its_prompt() -> None:
    user = {"content": "Name a star.", "role": "user"}
    row = {
        "prompt": "Name a star.",
        "prompt_id": "6f1c",
        "chosen": [user, {"content": "Vega.", "role": "assistant"}],
        "rejected": [user, {"content": "Mars.", "role": "assistant"}],
        "messages": [user, {"content": "Vega.", "role": "assistant"}],
        "score_chosen": 8.5,
        "score_rejected": 2.0,
    }
    read = Read(lines(row), branches="all")
    assert read.talks == [
        [("user", "Name a star."), ("assistant", "Vega.")],
        [("user", "Name a star."), ("assistant", "Mars.")],
    ]
    assert [(each["id"], each["cluster"]) for each in read.described] == [("6f1c", "6f1c"), ("6f1c", "6f1c")]
    assert read.reading.passed_over == {"score_chosen": 2, "score_rejected": 2}
    assert "`messages` is passed over, for what is said stands in another field" in read.reading.notes


def test_a_set_with_a_system_prompt_a_question_and_two_plain_answers() -> None:
    row = {"system": "Be kind.", "question": "Is it late?", "chosen": "Not yet.", "rejected": "No!"}
    assert Read(lines(row)).talks == [[("system", "Be kind."), ("user", "Is it late?"), ("assistant", "Not yet.")]]


def test_a_set_whose_prompt_ends_where_the_answer_begins() -> None:
    row = {"prompt": "\n\nHuman: Tea?\n\nAssistant:", "response": " Yes.", "chosen": " Yes.", "rejected": " No."}
    read = Read(lines(row))
    assert read.talks == [[("user", "Tea?"), ("assistant", "Yes.")]]
    assert read.reading.passed_over == {"response": 1}


def test_sets_whose_answers_are_single_messages() -> None:
    prompt = [{"role": "user", "content": "Tea?"}]
    row = {"prompt": prompt, "chosen": [{"role": "assistant", "content": "Yes."}], "rejected": []}
    old = {
        "conversations": [{"from": "human", "value": "Tea?"}],
        "chosen": {"from": "gpt", "value": "Yes."},
        "rejected": {"from": "gpt", "value": "No."},
    }
    assert Read(lines(row, old)).talks == 2 * [[("user", "Tea?"), ("assistant", "Yes.")]]


def test_an_answer_without_words_is_kept_as_such() -> None:
    row = {"chosen": "\n\nHuman: Tea?\n\nAssistant:", "rejected": "\n\nAssistant: Tea?\n\nHuman: No."}
    assert Read(lines(row)).talks == [[("user", "Tea?"), ("assistant", None)]]
    rejected = Read(lines(row), branches="rejected")
    assert rejected.talks == [[("assistant", "Tea?"), ("user", "No.")]]
    assert "conversations begin with `Assistant:`, and are read so" in rejected.reading.notes


def test_what_is_wrong_is_told_with_its_place() -> None:
    rows = [
        {"chosen": "Which rope?", "rejected": "\n\nHuman: x"},
        {"chosen": "\n\nHuman: x", "rejected": None},
        {"chosen": "\n\nHuman: x"},
    ]
    advice = "give the conversation as text with `Human:` and `Assistant:`, or as messages"
    assert Read(lines(*rows), layout="hh").faults == [
        ("line 1", "/chosen", "it does not begin with `Human:` or `Assistant:`, and there is no `prompt`"),
    ]
    assert Read(lines(*rows), branches="rejected").faults == [
        ("line 2", "/rejected", advice),
        ("line 3", "/rejected", advice),
    ]
