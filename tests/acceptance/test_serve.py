"""`hearken serve` from start to end: it serves, survives its workers, leaves nothing, and finds everything again."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from polling import until
from serving import Serving, living, refused, shared_memory, sockets

from hearken.client import Client
from hearken.errors import ProblemError
from hearken.local import temporary_folder

pytestmark = pytest.mark.xdist_group("serve")

CONVERSATION = {
    "turns": [
        {"speaker": "Ana", "text": "Are you coming to the harbour tonight?"},
        {"speaker": "Bo", "text": "Yes, at six, if the ferry runs."},
        {"speaker": "Ana", "text": "Then bring the blue lantern, the path is dark."},
    ]
}


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """Where the tests that start and stop a service of their own have its data, one after the other."""
    with temporary_folder() as made:
        yield made / "data"


@pytest.fixture(scope="module")
def serving() -> Iterator[Serving]:
    """One service whose parts are killed: they come back by themselves, so it is there for the next test too."""
    with temporary_folder() as made:
        running = Serving(made / "data")
        yield running
        running.end()
        until(
            lambda: refused("keys", "create", "--tenant", "probe", "--data-dir", made / "data")[0] == 0,
            "a folder that the servers of a killed supervisor let go of",
            30,
        )


def dataset(documents: int, seed: str = "first") -> bytes:
    """Tales of different lengths, as JSON Lines; another seed gives tales that were never measured."""
    sentence = "The harbour lay quiet under a thin moon while the ferry turned its lamps toward the pier. "
    lines = []
    for number in range(documents):
        tale = f"The {seed} tale, {number}. " + sentence * (8 + number % 9)
        lines.append(json.dumps({"id": f"d{number}", "domain": "tale", "text": tale}))
    return "\n".join(lines).encode()


@pytest.mark.slow
def test_without_a_models_file_the_decoder_in_the_box_is_served_and_says_what_it_is() -> None:
    with temporary_folder() as place:
        running = Serving(place / "data", HEARKEN_MODELS="")
        try:
            with Client(running.url, timeout=120) as client:
                made = client.analyze(CONVERSATION)
                decoder, encoder = client.models()
            assert (made.model.id, made.metrics.sink > 0.2, len(made.layers)) == ("smollm2-135m-instruct", True, 30)
            assert (decoder.id, decoder.default, decoder.causal, decoder.state) == (made.model.id, True, True, "ready")
            assert decoder.quantization is not None
            assert decoder.quantization.model_dump() == {"scheme": "gguf Q4_1", "dequantized_to": "float32"}
            assert decoder.notes is not None
            assert "quantized to 4 bits (Q4_1) and dequantized" in decoder.notes[0]
            assert (encoder.id, encoder.default) == ("all-MiniLM-L6-v2", False)
            assert any(path.name.startswith("SmolLM2-135M") for path in (place / "data" / "models").iterdir())
        finally:
            running.end()


def test_a_conversation_is_measured_over_http_and_found_again_after_a_restart(data: Path) -> None:
    first = Serving(data)
    try:
        with Client(first.url) as client:
            made = client.analyze(CONVERSATION, domain="talk", external_id="evening", include=("heads", "flow"))
            assert made.turns == 3
            assert made.speakers == ["Ana", "Bo"]
            assert len(made.heads["distance"]) == 6
            assert len(made.heads["distance"][0]) == 12
            assert made.flow is not None
            assert all(
                abs(sum(value or 0.0 for value in row) - 1) < 1e-4 for layer in made.flow.layers for row in layer
            )
            with pytest.raises(ProblemError) as missing:
                client.analysis("an_00000000000000000000000000")
            assert missing.value.status == 404
            with pytest.raises(ProblemError, match="line 2"):
                client.upload_dataset(b'{"text": "a tale"}\n{"words": 1}\n', name="bad")
        assert first.stop() < 10
        assert first.process.returncode == 0
    finally:
        first.end()
    second = Serving(data)
    try:
        assert second.seconds_to_ready < 45  # far below the minute for which a part that hangs is waited for
        with Client(second.url) as client:
            found = client.analysis(made.id)
            assert found.metrics == made.metrics
            assert client.analyze(CONVERSATION, domain="talk").cached
        second.stop()
    finally:
        second.end()


def test_ctrl_c_leaves_no_process_no_socket_and_no_shared_memory(data: Path) -> None:
    serving = Serving(data)
    try:
        family = serving.family()
        account = next(member.uids().real for member in family if member.name() == "postgres")
        assert len(family) > 8
        assert len(shared_memory(account)) >= 1
        assert serving.stop(signal.SIGINT) < 10
        assert serving.process.returncode == 0
        assert living(family) == []
        assert sockets(data.parent) == []
    finally:
        serving.end()


@pytest.mark.slow
def test_a_batch_outlives_the_killing_of_its_worker(serving: Serving) -> None:
    with Client(serving.url) as client:
        stored = client.upload_dataset(dataset(120), name="tales")
        job = client.batch(stored.id)
        until(lambda: client.job(job.id).progress.done >= 1, "the first document")
        victims = serving.worker_processes()
        assert len(victims) >= 2
        for victim in victims:
            victim.kill()
        finished = client.wait(job.id, timeout=150)
        assert finished.state == "succeeded"
        assert (finished.progress.done, finished.progress.failed, finished.progress.total) == (120, 0, 120)
        names = [entry.external_id for entry in client.analyses(job_id=job.id)]
        assert sorted(names, key=str) == sorted((f"d{number}" for number in range(120)), key=str)


@pytest.mark.slow
def test_a_batch_outlives_the_killing_of_its_broker(serving: Serving) -> None:
    with Client(serving.url) as client:
        stored = client.upload_dataset(dataset(120, seed="broker"), name="more tales")
        job = client.batch(stored.id)
        for done in (1, 60):
            until(lambda done=done: client.job(job.id).progress.done >= done, f"{done} documents")  # type: ignore[misc]
            serving.member(lambda member: member.name() == "redis-server").kill()
        finished = client.wait(job.id, timeout=120)
        assert (finished.progress.done, finished.progress.total) == (120, 120)


def test_a_killed_database_api_and_broker_come_back_by_themselves(serving: Serving) -> None:
    with Client(serving.url) as client:
        before = client.analyze(CONVERSATION)
        last = {"turns": [*CONVERSATION["turns"], {"speaker": "Bo", "text": "I will."}]}
        for name in ("postgres", "redis-server"):
            serving.member(lambda member, name=name: member.name() == name).kill()  # type: ignore[misc]
        serving.member(lambda member: "api" in member.cmdline()).kill()
        until(lambda: _is_ready(serving.url), "a service that is ready again")
        assert client.analysis(before.id).metrics == before.metrics
        assert client.wait(client.submit(last).id, timeout=60).state == "succeeded"


@pytest.mark.slow
def test_a_killed_supervisor_takes_everything_along(data: Path) -> None:
    serving = Serving(data)
    family = serving.family()
    serving.process.kill()
    serving.process.communicate()
    until(lambda: living(family) == [], "the end of the whole family", 15)
    until(lambda: sockets(data.parent) == [], "the end of its sockets", 5)
    again = Serving(data)
    assert again.stop() < 10


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == 200
    except httpx.TransportError:
        return False
