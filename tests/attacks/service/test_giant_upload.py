"""Attack: uploads larger than memory, or without an end. Memory stays bounded; a huge line is refused early."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest
from api_service import api_process, problem_of, process_at

pytestmark = pytest.mark.xdist_group("hostile http")

LINE = b'{"domain": "prose", "text": "' + b"It rained all day and nobody came. " * 60 + b'"}\n'
MEGABYTES = 64


def test_an_upload_streams_through_bounded_memory(database_url: str, broker_url: str, tmp_path: Path) -> None:
    lines = MEGABYTES * 2**20 // len(LINE)

    def pieces() -> Iterator[bytes]:
        block = LINE * 100
        for _ in range(lines // 100):
            yield block

    with api_process(database_url, broker_url, tmp_path / "api.log") as api:
        service = process_at(api)
        api.get("/v1/jobs")
        before = service.memory_info().rss
        peak = before

        def watched() -> Iterator[bytes]:
            nonlocal peak
            for number, piece in enumerate(pieces()):
                if number % 20 == 0:
                    peak = max(peak, service.memory_info().rss)
                yield piece

        answer = api.post("/v1/datasets", content=watched())
        assert answer.status_code == 201, answer.text
        assert answer.json()["documents"] == lines // 100 * 100
        peak = max(peak, service.memory_info().rss)
        assert peak - before < 40 * 2**20


def test_one_endless_line_is_refused_before_it_ends(database_url: str, broker_url: str, tmp_path: Path) -> None:
    def endless() -> Iterator[bytes]:
        yield b'{"text": "'
        for _ in range(2_000):
            yield b"a" * 2**16

    with api_process(database_url, broker_url, tmp_path / "api.log", max_body_bytes="1000000") as api:
        assert "the limit is 1000000" in refusal_of_what_was_begun(api, b'{"text": "' + b"a" * 2**21)
        try:
            answer = api.post("/v1/datasets", content=endless())
        except httpx.WriteError:  # the service had answered and closed while we were still sending
            pass
        else:
            problem = problem_of(answer, 422, "bad-dataset")
            assert "the limit is 1000000" in problem["errors"][0]["message"]
        refused = 'hearken_http_requests_total{method="POST",route="/v1/datasets",status="422"} 2.0'
        assert refused in api.get("/metrics").text


def refusal_of_what_was_begun(api: httpx.Client, body: bytes) -> str:
    """What is wrong with an upload of which only this has been sent, and neither more nor an end."""
    connection = HTTPConnection(api.base_url.host, api.base_url.port, timeout=60)
    connection.putrequest("POST", "/v1/datasets")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    connection.send(b"%x\r\n%b\r\n" % (len(body), body))
    answer = connection.getresponse()
    assert answer.status == 422
    message: str = json.loads(answer.read())["errors"][0]["message"]
    connection.close()
    return message
