"""Documents are checked alike whatever they came in: limits, fields that are passed over, names and times."""

import json
from typing import Any

import pytest
from dataset_reading import Read


def lines(*records: Any) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def talk(*said: tuple[str, str], **more: Any) -> dict[str, Any]:
    return {"turns": [{"speaker": speaker, "text": text, **more} for speaker, text in said]}


def test_fields_that_are_no_part_of_a_line_are_counted_once_a_document_with_those_of_turns_and_messages() -> None:
    read = Read(
        lines(
            {"text": "a", "source": "x", "license": None},
            talk(("A", "b"), ("B", "c"), time=3, mood="calm") | {"source": "y"},
            {
                "messages": [
                    {"role": "user", "content": "hi", "weight": 0.5},
                    {"role": "user", "content": "ho", "weight": 1},
                ]
            },
        )
    )
    assert read.reading.passed_over == {
        "license": 1, "messages.weight": 1, "source": 2, "turns.mood": 1, "turns.time": 1,
    }  # fmt: skip
    assert read.contents[2] == {"messages": [{"role": "user", "content": "hi"}, {"role": "user", "content": "ho"}]}


def test_names_that_are_passed_over_are_bounded_in_length_and_number() -> None:
    records = [{"text": "a", f"{number}" + "n" * 200: 1} for number in range(150)]
    passed_over = Read(lines(*records)).reading.passed_over
    assert len(passed_over) == 101
    assert passed_over["(others)"] == 50
    assert max(map(len, passed_over)) == 100


def test_times_of_turns_are_kept_where_they_are_numbers_and_counted_where_they_are_not() -> None:
    turns = [
        {"speaker": "A", "text": "one", "start": 0, "end": 1.5},
        {"speaker": "B", "text": "two", "start": "00:02", "end": None},
        {"speaker": "A", "text": "three", "start": True, "end": 1e300},
    ]
    read = Read(lines({"turns": turns}))
    assert read.contents == [
        {
            "turns": [
                {"speaker": "A", "text": "one", "start": 0.0, "end": 1.5},
                {"speaker": "B", "text": "two"},
                {"speaker": "A", "text": "three"},
            ]
        }
    ]
    assert read.reading.passed_over == {"turns.start": 1, "turns.end": 1}


def test_speakers_are_one_where_only_their_writing_differs() -> None:
    read = Read(
        lines(
            talk(("Zoe\u0301", "a"), ("Zo\u00e9 ", "b"), ("\u200eZo\u00e9", "c"), ("Ann  Lee", "d"), ("Ann\tLee", "e"))
        )
    )
    assert [speaker for speaker, _ in read.talks[0]] == ["Zo\u00e9"] * 3 + ["Ann Lee"] * 2


def test_pseudonyms_stand_for_names_by_first_speech_in_each_document() -> None:
    read = Read(
        lines(
            talk(("Mira", "a"), ("Tomas", "b"), ("Mira ", "c")),
            talk(("Tomas", "Mira?"), ("Ify", "d")),
            {"messages": [
                {"role": "user", "name": "mira", "content": "a"}, {"role": "assistant", "content": "b"},
                {"role": "tool", "name": "clock", "content": "c"}, {"role": "user", "name": "bo", "content": "d"},
            ]},
        ),
        names="pseudonyms",
    )  # fmt: skip
    assert [[speaker for speaker, _ in said] for said in read.talks[:2]] == [["P1", "P2", "P1"], ["P1", "P2"]]
    assert [message.get("name") for message in read.contents[2]["messages"]] == ["P1", None, "clock", "P2"]


def test_names_that_must_not_be_kept_stand_in_no_note() -> None:
    rows = [
        {"conversation_id": "1", "speaker": "Tomas Reyes", "text": "a", "reply_to": "Mira"},
        {"conversation_id": "1", "speaker": None, "text": "b", "reply_to": None},
    ]
    read = Read(lines(*rows), names="pseudonyms")
    assert [speaker for speaker, _ in read.talks[0]] == ["P1", "P2"]
    assert "Reyes" not in " ".join(read.reading.notes)


@pytest.mark.parametrize(
    ("record", "limits", "says"),
    [
        ({"text": "a" * 11}, {"document_characters": 10}, "the document has 11 characters; the limit is 10"),
        (talk(("A", "b"), ("A", "b"), ("A", "b")), {"turns": 2}, "the document has 3 turns; the limit is 2"),
        ({"id": "x"}, {}, "give exactly one of `text`, `turns`, `messages`; none was given"),
        ({"text": "a\x00b"}, {}, "the character U+0000 cannot be stored; remove it"),
        ({"text": "a", "conversation_id": 1, "speaker": "A"}, {}, "layout=utterances"),
    ],
)
def test_what_a_document_may_not_be_is_said(record: Any, limits: dict[str, int], says: str) -> None:
    ((place, _, message),) = Read(lines({"text": "fine"}, record), layout="documents", **limits).faults
    assert place == "line 2"
    assert says in message


@pytest.mark.parametrize(
    "calls", ['[{"function": {"name": NaN}}]', '[{"a": "\\u0000"}]', '[{"a": "\\ud800"}]', '[{"a": 1e999}]']
)
def test_calls_that_no_database_keeps_are_refused(calls: str) -> None:
    body = f'{{"messages": [{{"role": "assistant", "content": null, "tool_calls": {calls}}}]}}'
    read = Read(body.encode())
    assert read.documents == []
    assert len(read.faults) == 1


def test_faults_are_given_for_every_bad_record_and_good_ones_in_between() -> None:
    read = Read(lines(*({"text": "a"}, {"text": " "}) * 30))
    assert len(read.documents) == 30
    assert [place for place, _, _ in read.faults] == [f"line {number}" for number in range(2, 61, 2)]
