"""The utterances of a ConvoKit corpus by themselves: gathered, ordered by answers or times, speakers by their ids."""

import json
from typing import Any

from dataset_reading import Read


def utterance(
    own: str, conversation: str, speaker: str, text: str, reply: str | None, time: Any = None
) -> dict[str, Any]:
    """A line of `utterances.jsonl` as the library writes it."""
    return {
        "id": own,
        "conversation_id": conversation,
        "text": text,
        "speaker": speaker,
        "meta": {"parsed": [], "toxicity": 0.1},
        "reply-to": reply,
        "timestamp": time,
        "vectors": [],
    }


def lines(*rows: dict[str, Any]) -> bytes:
    """JSON Lines."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def texts(read: Read) -> dict[str | None, list[str | None]]:
    """What is said, by conversation."""
    assert (read.faults, read.unreadable) == ([], None)
    return {document.id: [text for _, text in talk] for document, talk in zip(read.documents, read.talks, strict=True)}


def test_a_corpus_of_films_stands_backwards_and_is_ordered_by_its_answers() -> None:
    read = Read(
        lines(
            utterance("L1045", "L1044", "u0", "They do not!", "L1044"),
            utterance("L1044", "L1044", "u2", "They do to!", None),
            utterance("L985", "L984", "u0", "I hope so.", "L984"),
            utterance("L984", "L984", "u2", "She okay?", None),
        )
    )
    assert texts(read) == {"L1044": ["They do to!", "They do not!"], "L984": ["She okay?", "I hope so."]}
    assert read.talks[0] == [("u2", "They do to!"), ("u0", "They do not!")]
    assert read.reading.layout == "convokit"
    assert read.reading.passed_over == {"turns.meta.parsed": 2, "turns.meta.toxicity": 2}
    assert read.reading.notes == (
        "speakers are named by their ids in the corpus",
        "the turns of 2 conversations stand in the order in which they answer each other",
    )


def test_a_corpus_of_talk_pages_has_times() -> None:
    read = Read(
        lines(
            utterance("3.1.1", "3.0.0", "Bo", "No.", "3.0.0", 1500000060.0),
            utterance("3.0.0", "3.0.0", "Ann", "== Boats ==", None, 1500000000.0),
            utterance("3.2.2", "3.0.0", "Ann", "Yes.", "3.1.1", "1500000120"),
        )
    )
    assert read.contents == [
        {
            "turns": [
                {"speaker": "Ann", "text": "== Boats ==", "start": 0.0},
                {"speaker": "Bo", "text": "No.", "start": 60.0},
                {"speaker": "Ann", "text": "Yes.", "start": 120.0},
            ]
        }
    ]


def test_the_older_form_says_user_and_root() -> None:
    read = Read(
        lines(
            {"id": "2", "user": "b", "root": "1", "reply_to": "1", "timestamp": 2, "text": "Two.", "meta": {}},
            {"id": "1", "user": "a", "root": "1", "reply_to": None, "timestamp": 1, "text": "One.", "meta": {}},
        )
    )
    assert (read.reading.layout, read.talks) == ("convokit", [[("a", "One."), ("b", "Two.")]])


def test_an_array_of_utterances_is_read_alike() -> None:
    rows = [utterance("b", "a", "s2", "Two.", "a"), utterance("a", "a", "s1", "One.", None)]
    for body in (json.dumps(rows), json.dumps(rows, indent=2)):
        read = Read(body.encode())
        assert (read.reading.container, texts(read)) == ("json", {"a": ["One.", "Two."]})


def test_speakers_may_be_objects_with_an_id() -> None:
    row = utterance("a", "a", "", "One.", None) | {"speaker": {"id": "s1", "meta": {"name": "Ann"}}}
    assert Read(lines(row), layout="convokit").talks == [[("s1", "One.")]]


def test_threads_with_many_answers_keep_each_behind_what_it_answers() -> None:
    read = Read(
        lines(
            utterance("d", "a", "s", "d", "b", 5),
            utterance("c", "a", "s", "c", "a", 5),
            utterance("b", "a", "s", "b", "a", 5),
            utterance("a", "a", "s", "a", None, 5),
        )
    )
    assert texts(read) == {"a": ["a", "c", "b", "d"]}


def test_empty_utterances_are_left_out_and_those_of_nobody_refused() -> None:
    read = Read(lines(utterance("a", "a", "s", "One.", None), utterance("b", "a", "s", "", "a")))
    assert texts(read) == {"a": ["One."]}
    assert "utterances without text are left out (line 2)" in read.reading.notes
    lost = utterance("a", "a", "s", "One.", None) | {"speaker": None}
    assert Read(lines(lost)).faults == [("line 1", "/speaker", "the utterance does not say who speaks")]
