"""Records made to take long, or to break a layout, take time in proportion and end in a fault or a document."""

import json
import time
from typing import Any

import pytest
from dataset_reading import Read

from formats.datasets.layouts.registry import LAYOUTS

LONG = 200_000
WORDS = ["a", "\n", "\n\nHuman:", " ", "9", "{", "𝕏", "00:00:00"]
DEEP: Any = "end"
for _ in range(60):
    DEEP = [DEEP]
VALUES = [None, 0, -1.5, True, "", " ", [], {}, [None], [[]], [{}], {"a": {}}, DEEP, [1, "x"], {"messages": [{}]}]
FIELDS = (
    *("text", "turns", "messages", "conversations", "conversation", "chosen", "rejected", "prompt", "body", "input"),
    *("message_id", "parent_id", "message_tree_id", "role", "rank", "lang", "deleted", "conversation_id", "speaker"),
    *("timestamp", "reply_to", "reply-to", "meta", "id", "labels", "domain", "cluster", "preferred_output", "system"),
    *("end", "turn", "date", "labels.team"),
)
GOOD: dict[str, dict[str, Any]] = {
    "documents": {"text": "x"},
    "utterances": {"conversation_id": "a", "speaker": "s", "text": "x"},
    "convokit": {"id": "a", "conversation_id": "a", "speaker": "s", "text": "x", "reply-to": None, "meta": {}},
    "sharegpt": {"conversations": [{"from": "human", "value": "x"}]},
    "openai": {"messages": [{"role": "user", "content": "x"}]},
    "oasst": {"message_id": "a", "parent_id": None, "message_tree_id": "a", "text": "x", "role": "prompter"},
    "hh": {"chosen": "\n\nHuman: x", "rejected": "\n\nHuman: y"},
}


@pytest.mark.parametrize("layout", list(LAYOUTS))
@pytest.mark.parametrize("word", WORDS)
def test_long_repetitions_in_any_field_take_time_in_proportion(layout: str, word: str) -> None:
    long = word * (LONG // len(word))
    rows = [{**GOOD[layout], name: long} for name in FIELDS]
    rows += [{**GOOD[layout], long: "x"}, {**GOOD[layout], "meta": {long: long}}]
    body = "".join(json.dumps(row) + "\n" for row in rows).encode()
    began = time.process_time()
    Read(body, layout=layout)
    assert time.process_time() - began < 10


@pytest.mark.parametrize("branches", ["preferred", "rejected", "all"])
@pytest.mark.parametrize("layout", ["auto", *LAYOUTS])
def test_no_value_in_any_field_breaks_a_layout(layout: str, branches: str) -> None:
    for base in GOOD.values() if layout == "auto" else [GOOD[layout]]:
        for name in FIELDS:
            for value in VALUES:
                line = json.dumps({**base, name: value}).encode() + b"\n"
                read = Read(2 * line, layout=layout, branches=branches)
                assert len(read.documents) <= 4
                assert {place for place, _, _ in read.faults} <= {"line 1", "line 2"}


@pytest.mark.parametrize("layout", list(LAYOUTS))
@pytest.mark.parametrize("line", [b"[1]", b'"x"', b"{", b"\xff\xfe{}", b"{} {}", b"[" * 100_000])
def test_what_is_no_object_is_a_fault_of_its_line(layout: str, line: bytes) -> None:
    good = json.dumps(GOOD[layout]).encode()
    read = Read(good + b"\n" + line + b"\n" + good.replace(b'"a"', b'"b"') + b"\n", layout=layout)
    assert [place for place, _, _ in read.faults] == ["line 2"]
    assert len(read.documents) == 2
