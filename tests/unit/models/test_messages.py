"""Chat messages as people have them: words in parts, none at all, and calls; and turns with their times."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from models.schemas.documents import Conversation, Message, characters_of, content_of_messages, content_of_turns
from models.work import content_digest

CALL = {"id": "c1", "type": "function", "function": {"name": "tide", "arguments": '{"port": "Kiel"}'}}


def kept(**sent: Any) -> dict[str, Any]:
    return Message.model_validate({"role": "user", **sent}).kept()


def called(**function: Any) -> dict[str, Any]:
    return {"tool_calls": [{"function": {"name": "tide", **function}}]}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("sent", "content"),
    [
        ({"content": "Yes. "}, "Yes. "),
        ({"content": [{"type": "text", "text": "When?"}]}, "When?"),
        ({"content": [{"type": "text", "text": "When"}, {"type": "text", "text": "is?", "cached": True}]}, "When\nis?"),
        ({"content": None}, None),
        ({"content": ""}, None),
        ({"content": " \n"}, None),
        ({"content": []}, None),
        ({"content": [{"type": "text", "text": ""}]}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_words_are_a_text_or_its_parts_or_null(sent: dict[str, Any], content: str | None) -> None:
    assert kept(**sent) == {"role": "user", "content": content}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}], "part 2 is of the type 'image_url'"),
        ([{"type": "text"}], "part 1 is of the type 'text' and has no `text`"),
        (["a"], "part 1 is of the type 'str'"),
        ([{}], "part 1 is of the type 'None'"),
        (5, "valid string"),
        ("a\x00", "U+0000"),
        ([{"type": "text", "text": "a\ud800"}], "surrogate"),
    ],
)
def test_what_are_no_words_is_refused(content: Any, says: str) -> None:
    with pytest.raises(ValidationError, match=r"(?s)content.*") as refused:
        kept(content=content)
    assert says in str(refused.value)


def test_what_is_beside_the_words_is_kept_where_it_is_given() -> None:
    assert kept(content="Hi.", name="mira", tool_calls=None, tool_call_id=None) == {
        "role": "user", "content": "Hi.", "name": "mira",
    }  # fmt: skip
    assert kept(tool_calls=[CALL]) == {"role": "user", "content": None, "tool_calls": [CALL]}
    assert kept(content="21:05", tool_call_id="c1") == {"role": "user", "content": "21:05", "tool_call_id": "c1"}
    assert kept(content="Hi.", tool_calls=[]) == {"role": "user", "content": "Hi."}


def test_arguments_keep_the_order_of_their_members() -> None:
    arguments = {"zone": {"b": 1, "a": 2}, "at": "é"}
    (found,) = kept(**called(arguments=arguments))["tool_calls"]
    assert found == {"function": {"name": "tide", "arguments": '{"zone": {"b": 1, "a": 2}, "at": "é"}'}}
    (flat,) = kept(tool_calls=[{"name": "tide", "arguments": arguments}])["tool_calls"]
    assert flat == {"name": "tide", "arguments": '{"zone": {"b": 1, "a": 2}, "at": "é"}'}


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (called(arguments="a" * 100_000), "characters as JSON; the limit is 100000"),
        ({"tool_calls": [{}] * 101}, "at most 100 items"),
        (called(arguments={"port": float("nan")}), "a number that JSON cannot carry"),
        (called(more=json.loads("1e400")), "a number that JSON cannot carry"),
        (called(more="\x00"), "cannot be stored"),
        (called(more="\ud800"), "cannot be stored"),
        (called(**{"\x00": 1}), "cannot be stored"),
        (called(more=nested(58)), "nested in the calls more than 60 deep"),
        (called(more=nested(900)), "nested in the calls more than 60 deep"),
        ({"tool_calls": ["tide"]}, "valid dictionary"),
        ({"tool_calls": CALL}, "valid list"),
        ({"weight": 1}, "Extra inputs"),
    ],
)
def test_calls_that_cannot_be_kept_are_refused(sent: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as refused:
        kept(**sent)
    assert says in str(refused.value)


def test_calls_at_the_edge_of_what_is_kept_are_kept() -> None:
    (found,) = kept(**called(more=nested(57)))["tool_calls"]
    assert found["function"]["more"] == nested(57)
    (written,) = kept(**called(arguments='{"a": "\\u0000"}'))["tool_calls"]
    assert written["function"]["arguments"] == '{"a": "\\u0000"}'


def test_the_characters_of_calls_count_and_silence_has_none() -> None:
    silent, spoken, calling = (
        characters_of({"messages": [kept(**sent)]}) for sent in ({}, {"content": "four"}, {"tool_calls": [CALL]})
    )
    assert (silent, spoken, calling) == (7, 11, 7 + len(json.dumps([CALL])))


def test_messages_of_words_alone_are_kept_as_ever() -> None:
    content = content_of_messages([Message.model_validate({"role": "user", "content": "Hi.", "tool_calls": None})])
    assert content == {"messages": [{"role": "user", "content": "Hi."}]}
    assert content_digest(content).hex() == "26386707c836dd4daa787c93b01bc5361a2707d3cf128e73ca5470ca15c05480"


def conversation(**times: Any) -> Conversation:
    return Conversation.model_validate({"turns": [{"speaker": "Ana", "text": "Hi.", **times}]})


def test_times_of_turns_are_kept_where_they_are_given_and_change_no_digest() -> None:
    contents = [
        content_of_turns(conversation(**times).turns) for times in ({}, {"start": 1, "end": None}, {"end": 2.5})
    ]
    assert contents == [
        {"turns": [{"speaker": "Ana", "text": "Hi."}]},
        {"turns": [{"speaker": "Ana", "text": "Hi.", "start": 1.0}]},
        {"turns": [{"speaker": "Ana", "text": "Hi.", "end": 2.5}]},
    ]
    assert {content_digest(content).hex() for content in contents} == {
        "56fa3d08fef580870294ff3b52af99d31855ba1d4d30e14583a9c634d9f4d015"
    }


@pytest.mark.parametrize("start", ["1.5", True, float("nan"), float("inf"), 1e300, [1]])
def test_a_time_that_is_no_number_of_seconds_is_refused(start: Any) -> None:
    with pytest.raises(ValidationError, match="start"):
        conversation(start=start)
