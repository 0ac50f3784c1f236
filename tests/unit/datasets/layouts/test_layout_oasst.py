"""Trees of messages, as rows or whole: the ranked path, the path ranked last, or every path."""

import json
import random
from typing import Any

import pytest
from dataset_reading import Read


def lines(*rows: Any) -> bytes:
    """JSON Lines."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def row(own: str, parent: str | None, role: str, text: str, rank: float | None = None, **more: Any) -> dict[str, Any]:
    """A message as the exports of messages have it."""
    return {
        "message_id": own,
        "parent_id": parent,
        "user_id": "u",
        "created_date": "2023-02-05T14:23:50+00:00",
        "text": text,
        "role": role,
        "lang": "en",
        "review_count": 3,
        "deleted": False,
        "rank": rank,
        "message_tree_id": "p",
        "labels": {"name": ["spam"], "value": [0.0]},
    } | more


ROWS = [
    row("p", None, "prompter", "Which boat?"),
    row("a", "p", "assistant", "The red one.", 1.0),
    row("b", "p", "assistant", "The blue one.", 0.0),
    row("c", "p", "assistant", "None.", 2.0),
    row("b1", "b", "prompter", "Why?"),
    row("b2", "b1", "assistant", "It floats.", None),
    row("a1", "a", "prompter", "Sure?"),
]
TREE = {
    "message_tree_id": "p",
    "tree_state": "ready_for_export",
    "prompt": {
        "message_id": "p",
        "text": "Which boat?",
        "role": "prompter",
        "lang": "en",
        "replies": [
            {
                "text": "The red one.",
                "role": "assistant",
                "rank": 1,
                "replies": [{"message_id": "a1", "text": "Sure?", "role": "prompter", "replies": []}],
            },
            {
                "text": "The blue one.",
                "role": "assistant",
                "rank": 0,
                "replies": [
                    {
                        "text": "Why?",
                        "role": "prompter",
                        "replies": [{"message_id": "b2", "text": "It floats.", "role": "assistant", "replies": []}],
                    }
                ],
            },
            {"message_id": "c", "text": "None.", "role": "assistant", "rank": 2, "replies": []},
        ],
    },
}
PREFERRED = [
    ("user", "Which boat?"),
    ("assistant", "The blue one."),
    ("user", "Why?"),
    ("assistant", "It floats."),
]
RED = [("user", "Which boat?"), ("assistant", "The red one."), ("user", "Sure?")]
LAST = [("user", "Which boat?"), ("assistant", "None.")]


@pytest.mark.parametrize("body", [lines(*ROWS), lines(*reversed(ROWS)), lines(TREE)])
def test_the_path_that_was_ranked_first(body: bytes) -> None:
    read = Read(body)
    assert read.talks == [PREFERRED]
    assert (read.documents[0].id, read.documents[0].labels, read.documents[0].cluster) == ("p", {"lang": "en"}, None)
    assert read.reading.layout == "oasst"
    assert read.reading.notes[0] == (
        "of each tree the path of the replies ranked first is read; `branches` can ask for others"
    )


@pytest.mark.parametrize("body", [lines(*ROWS), lines(TREE)])
def test_the_path_that_was_ranked_last(body: bytes) -> None:
    assert Read(body, branches="rejected").talks == [LAST]


@pytest.mark.parametrize("body", [lines(*ROWS), lines(TREE)])
def test_every_path_of_a_tree_with_the_tree_as_cluster(body: bytes) -> None:
    read = Read(body, branches="all")
    assert read.talks == [RED, PREFERRED, LAST]
    assert [(document.id, document.cluster) for document in read.documents] == [("a1", "p"), ("b2", "p"), ("c", "p")]


def test_what_else_messages_have_is_passed_over_and_counted() -> None:
    assert Read(lines(*ROWS)).reading.passed_over == {
        "messages.created_date": 1,
        "messages.labels": 1,
        "messages.review_count": 1,
        "messages.user_id": 1,
    }
    assert Read(lines(TREE)).reading.passed_over == {"tree_state": 1}


@pytest.mark.parametrize("seed", range(3))
def test_rows_of_trees_may_stand_anywhere(seed: int) -> None:
    rows = []
    for tree in range(20):
        name = {"message_tree_id": f"t{tree}"}
        rows.append(row(f"t{tree}", None, "prompter", f"question {tree}", **name))
        rows.append(row(f"t{tree}.1", f"t{tree}", "assistant", f"answer {tree}", 0, **name))
        rows.append(row(f"t{tree}.2", f"t{tree}", "assistant", "worse", 1, **name))
    random.Random(seed).shuffle(rows)
    read = Read(lines(*rows))
    talks = {document.id: talk for document, talk in zip(read.documents, read.talks, strict=True)}
    assert talks == {f"t{n}": [("user", f"question {n}"), ("assistant", f"answer {n}")] for n in range(20)}


def test_a_table_has_its_ranks_as_text() -> None:
    table = (
        "message_id,parent_id,message_tree_id,role,text,rank,deleted,lang\n"
        "p,,p,prompter,Which?,,False,de\na,p,p,assistant,This.,1.0,False,de\nb,p,p,assistant,That.,0.0,False,de\n"
    )
    read = Read(table.encode())
    assert (read.talks, read.documents[0].labels) == ([[("user", "Which?"), ("assistant", "That.")]], {"lang": "de"})


def test_rows_without_a_tree_are_of_that_of_what_they_answer() -> None:
    rows = [{name: value for name, value in each.items() if name != "message_tree_id"} for each in ROWS]
    assert Read(lines(*rows)).talks == [PREFERRED]
    read = Read(lines(*rows[:1], *reversed(rows[4:])))
    assert read.faults[0] == (
        "line 2",
        "/parent_id",
        "it answers a message that stands nowhere before it; give `message_tree_id`",
    )


def test_deleted_messages_are_left_out_with_what_answers_them() -> None:
    rows = [each | {"deleted": each["message_id"] == "b"} for each in ROWS]
    read = Read(lines(*rows))
    assert read.talks == [RED]
    assert "deleted messages and what answers them are left out (3 times)" in read.reading.notes


def test_where_nothing_is_ranked_the_first_reply_counts() -> None:
    rows = [each | {"rank": None} for each in ROWS]
    assert Read(lines(*rows)).talks == [RED]
    assert Read(lines(*rows), branches="rejected").talks == [LAST]


def test_a_tree_with_a_single_path_has_no_rejected_one() -> None:
    read = Read(lines(*ROWS, row("q", None, "prompter", "Alone?", message_tree_id="q")), branches="rejected")
    assert read.talks == [LAST]
    assert "trees with a single path have no rejected one and are left out" in read.reading.notes


def test_replies_to_messages_that_are_missing_are_left_out_and_said() -> None:
    read = Read(lines(*(each for each in ROWS if each["message_id"] != "b")))
    assert read.talks == [RED]
    assert "messages that answer none of the file, and what answers them, are left out (2 times)" in read.reading.notes


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([row("a", "b", "assistant", "x"), row("b", "a", "prompter", "y")], "answer each other in a circle"),
        (
            [row("p", None, "prompter", "x"), row("p", None, "prompter", "y")],
            "the message `p` stands twice in its tree",
        ),
        ([row("p", None, "prompter", "x"), row("q", None, "prompter", "y")], "its tree has two first messages"),
        ([row("b", "gone", "assistant", "x")], "no message of its tree is the first"),
    ],
)
def test_trees_that_are_none_are_refused(rows: list[dict[str, Any]], fault: str) -> None:
    ((place, _, message),) = Read(lines(*rows)).faults
    assert place == f"line {len(rows) if 'twice' in fault or 'two' in fault else 1}"
    assert fault in message


def test_a_deep_tree_is_read_without_recursion() -> None:
    depth = 5_000
    rows = [row("0", None, "prompter", "deep"), *(row(str(n), str(n - 1), "prompter", "deep") for n in range(1, depth))]
    (talk,) = Read(lines(*rows)).talks
    assert len(talk) == depth


def test_what_all_paths_are_together_is_bounded() -> None:
    chain = [row(str(n), str(n - 1) if n else None, "prompter", "x" * 50) for n in range(300)]
    leaves = [row(f"leaf {n}", str(n), "assistant", "y") for n in range(300)]
    read = Read(lines(*chain, *leaves), branches="all", documents_bytes=1_000_000)
    assert read.unreadable is not None
    assert read.unreadable.startswith("The paths of the trees have more than 1000000 characters together")


def test_a_tree_above_the_limit_is_refused_before_it_is_held() -> None:
    rows = [row("p", None, "prompter", "x"), *(row(str(n), "p", "assistant", "y") for n in range(20))]
    assert Read(lines(*rows), turns=10).faults == [
        ("line 11", "", "the tree `p` has more than 10 turns; that is the limit")
    ]
