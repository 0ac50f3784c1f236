"""The samples are what their page says they are."""

import ast
import json
from typing import Any

import pytest
from project_tree import SAMPLES

DOMAINS = ("conversation", "web", "code", "mathematics")


def documents(domain: str) -> list[dict[str, Any]]:
    lines = (SAMPLES / f"{domain}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def words(document: dict[str, Any]) -> int:
    texts = [turn["text"] for turn in document["turns"]] if "turns" in document else [document["text"]]
    return sum(len(text.split()) for text in texts)


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_domain_has_at_least_sixteen_documents_of_300_to_600_words(domain: str) -> None:
    found = documents(domain)
    assert len(found) >= 16
    assert {each["domain"] for each in found} == {domain}
    assert [each["id"] for each in found if not 300 <= words(each) <= 600] == []


def test_no_two_documents_share_an_id_or_a_text() -> None:
    everything = [each for domain in DOMAINS for each in documents(domain)]
    assert len({each["id"] for each in everything}) == len(everything)
    assert len({json.dumps(each.get("text") or each["turns"]) for each in everything}) == len(everything)


def test_conversations_have_two_to_four_speakers_and_no_empty_turn() -> None:
    for each in documents("conversation"):
        assert 2 <= len({turn["speaker"] for turn in each["turns"]}) <= 4, each["id"]
        assert all(turn["text"].strip() for turn in each["turns"]), each["id"]


def test_the_conversation_of_the_demonstration_has_three_speakers_and_about_forty_turns() -> None:
    turns = json.loads((SAMPLES / "conversation.json").read_text(encoding="utf-8"))["turns"]
    assert len({turn["speaker"] for turn in turns}) == 3
    assert 36 <= len(turns) <= 44


def test_python_samples_are_python() -> None:
    programs = [each for each in documents("code") if each["labels"]["language"] == "python"]
    assert len(programs) == 5
    for program in programs:
        ast.parse(program["text"], filename=program["id"])
