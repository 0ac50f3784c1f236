"""A form carries one file and fields that tell of it, in pieces of any size; what else it has is refused."""

import hashlib
from collections.abc import Sequence

import httpx
import pytest

from models.settings import Settings
from service.http.problems import Problem
from service.uploads.forms import Form
from service.uploads.receive import feed_form
from service.uploads.upload import Upload

LINES = b'{"text": "one\\r\\n"}\n{"text": "two"}\r\n--not the boundary\r\n'
Part = tuple[str, tuple[str | None, bytes] | tuple[str | None, bytes, str]]


def form_of(parts: Sequence[Part]) -> tuple[bytes, str]:
    """The body and its type, as a client writes them."""
    request = httpx.Request("POST", "http://a", files=list(parts))
    return request.read(), request.headers["content-type"]


def received(body: bytes, kind: str, piece: int = 1 << 20) -> tuple[bytes, dict[str, str], int]:
    """The digest of the file, the fields and the file's length."""
    with Upload(Settings(_env_file=None), "north", "ds_1") as upload:  # type: ignore[call-arg]
        form = Form(kind)
        for start in range(0, len(body), piece):
            feed_form(form, upload, {}, body[start : start + piece])
        form.end()
        return bytes.fromhex(upload.sha256), form.fields, upload.length


def problem_of(body: bytes, kind: str) -> tuple[str, str, str]:
    """(problem type, pointer, detail)."""
    with pytest.raises(Problem) as raised:
        received(body, kind)
    problem = raised.value
    return problem.kind.name, problem.errors[0].pointer if problem.errors else "", problem.detail


@pytest.mark.parametrize("piece", [1, 2, 7, 64, 1 << 20])
def test_the_file_arrives_byte_for_byte_with_the_fields_before_and_after_it(piece: int) -> None:
    parts: list[Part] = [
        ("name", (None, "né".encode())),
        ("file", ("calls.csv", b"text\r\na\r\n", "text/csv")),
        ("domain", (None, b"talk")),
    ]
    digest, fields, length = received(*form_of(parts), piece)
    assert digest == hashlib.sha256(b"text\r\na\r\n").digest()
    assert (fields, length) == ({"name": "né", "domain": "talk"}, 9)


@pytest.mark.parametrize(
    ("name", "kind", "body", "documents"),
    [
        ("a.csv", "application/octet-stream", b"text\na\n", 1),
        ("A.CSV", "application/vnd.ms-excel", b"text\na\nb\n", 2),
        ("a.txt", "text/csv", b"text\na\n", 1),
        ("a.jsonl", "application/octet-stream", b'{"text": "a"}', 1),
        ("a", "text/plain", b'{"text": "a"}', 1),
        ("a.json", "application/octet-stream", b'[{"text": "a"}, {"text": "b"}]', 2),
        ("a.tsv", "", b"text\tid\na, b\t1\n", 1),
        ("a.dat", "application/octet-stream", b"id;text\n1;a\n2;b\n", 2),
        ("a.csv", "application/x-ndjson", b'{"text": "a"}', 1),
    ],
)
def test_the_format_is_that_of_the_type_and_where_it_says_nothing_of_the_ending(
    name: str, kind: str, body: bytes, documents: int
) -> None:
    sent, type_of_form = form_of([("file", (name, body, kind))])
    with Upload(Settings(_env_file=None), "north", "ds_1") as upload:  # type: ignore[call-arg]
        form = Form(type_of_form)
        feed_form(form, upload, {}, sent)
        form.end()
        while upload.read_on():
            pass
        assert upload.documents == documents


FILE: Part = ("file", ("a.jsonl", LINES))


@pytest.mark.parametrize(
    ("parts", "problem", "pointer"),
    [
        ([("name", (None, b"a"))], "invalid-request", "form:file"),
        ([FILE, ("more", ("b.jsonl", LINES))], "invalid-request", "form:file"),
        ([FILE, ("domian", (None, b"a"))], "invalid-request", "form:domian"),
        ([("name", (None, b"a")), ("name", (None, b"b")), FILE], "invalid-request", "form:name"),
        ([("name", (None, b"a\x00")), FILE], "invalid-request", "form:name"),
        ([("name", (None, b"\xff")), FILE], "invalid-request", "form:name"),
        ([("domain", (None, b"a" * 201)), FILE], "invalid-request", "form:domain"),
        ([("domain", (None, b"a" * 5000)), FILE], "invalid-request", "form:domain"),
        ([("layout", (None, b"tree")), FILE], "invalid-request", "form:layout"),
        ([("names", (None, b"hide")), FILE], "invalid-request", "form:names"),
        ([FILE, ("layout", (None, b"documents"))], "invalid-request", "form:layout"),
        ([("file", ("a.xlsx", LINES, "application/vnd.ms-excel"))], "unsupported-media-type", ""),
    ],
)
def test_what_the_form_should_not_have_is_named(parts: list[Part], problem: str, pointer: str) -> None:
    assert problem_of(*form_of(parts))[:2] == (problem, pointer)


def test_a_form_that_breaks_off_is_refused_wherever_it_does() -> None:
    body, kind = form_of([("name", (None, b"mine")), FILE])
    for end in range(0, len(body) - 4):
        name, _, detail = problem_of(body[:end], kind)
        assert (name, detail) == ("invalid-request", "The form breaks off: its closing boundary is missing.")


@pytest.mark.parametrize(
    "body",
    [
        b"garbage",
        b"--x\r\n\r\nno headers\r\n--x--\r\n",
        b"--x\r\nContent-Disposition: attachment; name=file\r\n\r\na\r\n--x--\r\n",
        b"--x\r\nContent-Disposition form-data\r\n\r\na\r\n--x--\r\n",
        b"--x\r\nContent-Disposition: form-data; name=file; a=" + b"b" * 10_000 + b"\r\n\r\na\r\n--x--\r\n",
        b"--x\r\n" + b"A: b\r\n" * 100 + b"\r\na\r\n--x--\r\n",
        b"--x--\r\n",
    ],
)
def test_what_is_no_form_is_refused(body: bytes) -> None:
    assert problem_of(body, "multipart/form-data; boundary=x")[0] == "invalid-request"


def test_a_part_in_another_encoding_is_refused() -> None:
    head = b"--x\r\nContent-Disposition: form-data; name=file\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    assert problem_of(head + b"YQ==\r\n--x--\r\n", "multipart/form-data; boundary=x")[0] == "unsupported-media-type"


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; a=b"])
def test_a_form_without_a_boundary_is_refused_by_its_header(kind: str) -> None:
    assert problem_of(b"", kind)[:2] == ("bad-header", "header:Content-Type")


def test_a_boundary_of_any_length_is_a_clients_mistake() -> None:
    assert problem_of(b"", f"multipart/form-data; boundary={'x' * 5000}")[0] == "bad-header"


def test_fields_before_the_file_say_how_it_is_read() -> None:
    table = b"conversation_id,speaker,text\n1,Mira,a\n1,Bo,b\n"
    parts: list[Part] = [
        ("layout", (None, b"utterances")),
        ("names", (None, b"pseudonyms")),
        ("file", ("a.csv", table)),
    ]
    body, kind = form_of(parts)
    with Upload(Settings(_env_file=None), "north", "ds_1") as upload:  # type: ignore[call-arg]
        form = Form(kind)
        for start in range(0, len(body), 50):
            feed_form(form, upload, {"domain": "talk"}, body[start : start + 50])
        form.end()
        while upload.read_on():
            pass
        assert (upload.documents, upload.reading.layout, upload.reading.turns) == (1, "utterances", 2)
        assert b'"speaker": "P1"' in b"".join(upload.blocks())


def test_what_the_address_says_too_is_refused_before_the_file_is_read_by_it() -> None:
    body, kind = form_of([("layout", (None, b"utterances")), FILE])
    with (
        Upload(Settings(_env_file=None), "north", "ds_1") as upload,  # type: ignore[call-arg]
        pytest.raises(Problem) as raised,
    ):
        feed_form(Form(kind), upload, {"layout": "documents"}, body)
    assert raised.value.errors[0].pointer == "form:layout"
