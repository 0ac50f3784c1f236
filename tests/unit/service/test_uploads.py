"""An upload keeps documents as PostgreSQL's COPY takes them, and tells what is wrong with the file as one problem."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.settings import Settings
from service.http.problems import Problem
from service.uploads.upload import Upload


def uploaded(body: bytes, container: str = "", domain: str | None = None, **settings: int) -> list[list[str | None]]:
    """The rows that an upload would store, or its problem."""
    with Upload(Settings(_env_file=None, **settings), "north", "ds_1", domain) as upload:  # type: ignore[call-arg, arg-type]
        upload.begin(container, {})
        for start in range(0, len(body), 1_000):
            upload.absorb(body[start : start + 1_000])
        while upload.read_on():
            pass
        assert (upload.sha256, upload.length) == (hashlib.sha256(body).hexdigest(), len(body))
        lines = b"".join(upload.blocks()).decode().removesuffix("\n").split("\n")
        return [[plain(cell) for cell in line.split("\t")] for line in lines]


def plain(cell: str) -> str | None:
    """What a cell of COPY's text format means."""
    if cell == "\\N":
        return None
    pieces = cell.split("\\\\")
    for escaped, meant in (("\\t", "\t"), ("\\n", "\n"), ("\\r", "\r")):
        pieces = [piece.replace(escaped, meant) for piece in pieces]
    return "\\".join(pieces)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1).filter(str.strip))
def test_any_text_is_kept_as_copy_reads_it_again(text: str) -> None:
    body = json.dumps({"text": text, "labels": {"key": text[:500]}}).encode()
    ((_, tenant, dataset, position, external_id, domain, labels, _, content, _, characters, reading),) = uploaded(body)
    assert (tenant, dataset, position, external_id, domain, reading) == ("north", "ds_1", "0", None, None, None)
    assert labels is not None
    assert content is not None
    assert (json.loads(labels), json.loads(content)) == ({"key": text[:500]}, {"text": text})
    assert characters == str(len(text))


def test_a_domain_is_that_of_documents_that_name_none() -> None:
    rows = uploaded(b'{"text": "a", "domain": "prose"}\n{"text": "b"}\n', domain="tab\t \\N")
    assert [row[5] for row in rows] == ["prose", "tab\t \\N"]


def problem_of(body: bytes, container: str = "", **settings: int) -> Problem:
    with pytest.raises(Problem) as raised:
        uploaded(body, container, **settings)
    return raised.value


def test_twenty_faults_are_told_and_nothing_more_is_read() -> None:
    problem = problem_of(b"text,id\n" + b"a\n" * 100, "csv")
    assert [error.line for error in problem.errors] == list(range(2, 22))
    assert problem.errors[0].message == "line 2: it has 1 cells; there are 2 columns"
    assert problem.detail == "line 2: it has 1 cells; there are 2 columns. At least 20 lines are bad."


@pytest.mark.parametrize(
    ("body", "line", "message", "end"),
    [
        (b'[{"text": "a"},\n\n{"text": " "}]', 3, "item 2 (line 3): nothing is said here", "Bad items: 1."),
        (b'{"text": "a"}\n{"text": " "}\n', 2, "line 2: nothing is said here", "Bad lines: 1."),
    ],
)
def test_a_fault_is_told_by_its_record_and_its_line(body: bytes, line: int, message: str, end: str) -> None:
    problem = problem_of(body)
    (error,) = problem.errors
    assert (error.line, error.pointer) == (line, "/text")
    assert error.message.startswith(message)
    assert problem.detail.endswith(end)


@pytest.mark.parametrize("body", [b"", b"[]", b"text\n", b"\n\n"])
def test_a_file_without_documents_is_a_problem_of_its_own(body: bytes) -> None:
    assert problem_of(body).kind.name == "no-documents"


def test_the_limits_are_those_of_the_settings() -> None:
    cases: list[tuple[bytes, dict[str, Any], str]] = [
        (b'{"text": "' + b"a" * 600 + b'"}', {"max_body_bytes": 500}, "the limit is 500"),
        (b'{"text": "abcdef"}', {"max_document_characters": 5}, "the document has 6 characters; the limit is 5"),
    ]
    for body, settings, says in cases:
        assert says in problem_of(body, **settings).errors[0].message
