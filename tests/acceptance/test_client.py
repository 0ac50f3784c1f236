"""The client against a server that misbehaves: what it sends again, what it gives up, and what it says then."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hearken.client import Client
from hearken.errors import JobFailed, ProblemError, ServiceUnreachable

JOB = {
    "id": "job_1", "kind": "batch", "state": "queued", "reason": None, "message": None, "result": None,
    "created_at": "2026-01-01T00:00:00Z", "started_at": None, "finished_at": None,
    "progress": {
        "total": 2, "done": 0, "cached": 0, "failed": 0, "cancelled": 0, "tokens_per_second": None, "eta_seconds": None,
    },
}  # fmt: skip


@dataclass
class Moody:
    """A server that gives these answers, one after the other, and remembers what it was asked."""

    answers: list[tuple[int, str, str]]
    missing: int = 0  # how many bytes of each answer it promises and does not send
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def moody() -> Iterator[Moody]:
    state = Moody([])

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            state.asked.append((self.command, self.path, self.headers.get("Idempotency-Key")))
            status, kind, body = state.answers.pop(0)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body.encode()) + state.missing))
            self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_POST = answer  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - http.server's word
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield state
        server.shutdown()
        thread.join()


def test_a_passing_503_is_asked_again_under_the_same_idempotency_key(moody: Moody) -> None:
    moody.answers += [(503, "text/plain", "busy"), (202, "application/json", json.dumps(JOB))]
    with Client(moody.url) as client:
        assert client.batch("ds_1").id == "job_1"
    (first, second) = moody.asked
    assert first == second
    assert first[2] is not None


def test_a_503_that_stays_becomes_an_error_after_four_attempts(moody: Moody) -> None:
    moody.answers += [(503, "text/html", "<h1>down</h1>")] * 4
    with Client(moody.url) as client, pytest.raises(ProblemError, match="answered 503 Service Unavailable"):
        client.models()
    assert len(moody.asked) == 4


def test_a_refusal_is_not_asked_again_and_names_the_fields(moody: Moody) -> None:
    problem = {
        "type": "/problems/invalid-request", "title": "Invalid", "status": 422, "detail": "One field is wrong.",
        "instance": "/v1/batches", "errors": [{"pointer": "/dataset_id", "message": "no such data set"}],
    }  # fmt: skip
    moody.answers.append((422, "application/problem+json", json.dumps(problem)))
    with Client(moody.url) as client, pytest.raises(ProblemError) as refused:
        client.batch("ds_1")
    assert str(refused.value) == "One field is wrong.\n  /dataset_id: no such data set"
    assert len(moody.asked) == 1


def test_waiting_for_a_job_that_fails_raises_its_reason(moody: Moody) -> None:
    failed = JOB | {"state": "failed", "reason": "model-refused", "message": "The model has no attention."}
    moody.answers += [(200, "application/json", json.dumps(answer)) for answer in (JOB, failed)]
    seen: list[str] = []
    with Client(moody.url) as client, pytest.raises(JobFailed, match="job_1 failed: The model has no attention"):
        client.wait("job_1", on_progress=lambda job: seen.append(job.state))
    assert seen == ["queued", "failed"]


def test_pages_follow_each_other_until_the_last(moody: Moody) -> None:
    pages = [{"items": [JOB | {"id": "a"}], "next": "c1"}, {"items": [JOB | {"id": "b"}], "next": None}]
    moody.answers += [(200, "application/json", json.dumps(page)) for page in pages]
    with Client(moody.url) as client:
        assert [job.id for job in client.jobs()] == ["a", "b"]
    assert [path for _, path, _ in moody.asked] == ["/v1/jobs", "/v1/jobs?cursor=c1"]


def test_an_export_that_breaks_off_leaves_no_file_and_one_that_is_whole_replaces_it(
    moody: Moody, tmp_path: Path
) -> None:
    target = tmp_path / "analyses.csv"
    target.write_text("an earlier one")
    moody.answers += [(200, "text/csv", "id\r\na\r\n")] * 2
    with Client(moody.url) as client:
        moody.missing = 5
        with pytest.raises(ServiceUnreachable, match="stopped answering"):
            client.export(target, domain="talk")
        assert target.read_text() == "an earlier one"
        moody.missing = 0
        client.export(target)
    assert target.read_bytes() == b"id\r\na\r\n"
    assert list(tmp_path.iterdir()) == [target]
    assert [path for _, path, _ in moody.asked] == ["/v1/exports/analyses.csv?domain=talk", "/v1/exports/analyses.csv"]


def test_nothing_at_the_address_is_said_in_one_sentence() -> None:
    with (
        Client("http://127.0.0.1:9") as client,
        pytest.raises(ServiceUnreachable, match=r"127\.0\.0\.1:9 does not answer"),
    ):
        client.models()
