"""What HTTP returns is what the network's own full attention matrices give, in whatever company it was measured."""

import json
import logging
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from polling import until
from serving import Serving
from tiny_models import tiny_model
from transformers import AutoModel, AutoTokenizer

from attention.model.source.packaged import packaged_minilm
from attention.text.documents import Document, Turn
from attention.text.rendering import render
from hearken.client import Client
from hearken.local import temporary_folder
from models.schemas.analyses import Analysis

pytestmark = pytest.mark.xdist_group("exact")

MINILM, LLAMA = "all-MiniLM-L6-v2", "tiny-llama"
TURNS = [
    ("Ana", "Are you coming to the harbour tonight? The ferry leaves at six."),
    ("Bo", "Yes, if the rain stops. Who else is there?"),
    ("Ana", "Only Chris, and the man who sells lanterns."),
    ("Chris", "I heard that! He sells maps, not lanterns."),
    ("Bo", "Then I bring my own lantern."),
]
TEXT = "The harbour lay quiet under a thin moon while the ferry turned its lamps toward the pier, one after another."
SENTENCES = (
    "A gull cried twice. ",
    "Nobody on the pier looked up from the cards. ",
    "The tide came in, slow as bread. ",
)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with temporary_folder() as made:
        yield made


@pytest.fixture(scope="module")
def llama(place: Path) -> Path:
    return tiny_model(place / "llama", "llama", layers=3, heads=6, key_value_heads=2, hidden=48, context=512)


@pytest.fixture(scope="module")
def serving(place: Path, llama: Path) -> Iterator[Serving]:
    models = place / "models.toml"
    models.write_text(
        f'[[model]]\nid = "{MINILM}"\npackaged = true\ndefault = true\n\n'
        f'[[model]]\nid = "{LLAMA}"\npath = {json.dumps(str(llama))}\n',
        encoding="utf-8",
    )
    running = Serving(place / "data", "--models", str(models))
    yield running
    running.end()


def dense_heads(folder: Path, document: Document) -> dict[str, NDArray[np.float64]]:
    """Metrics of a one-window document by layer and head, from eager weights in float64 and the definitions alone."""
    network = AutoModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float64).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    (window,) = render(tokenizer, document, context=512).windows
    with torch.no_grad():
        layers = network(input_ids=torch.from_numpy(window.ids)[None], output_attentions=True).attentions
    a = torch.stack(layers)[:, 0].numpy()  # (L, H, N, N)
    n = a.shape[-1]
    i, j = np.arange(n)[:, None], np.arange(n)
    heads = {
        "distance": (a * abs(i - j)).sum(-1).mean(-1),
        "entropy": -(a * np.log(np.where(a > 0, a, 1))).sum(-1).mean(-1),
        "sink": a[..., 1:, 0].mean(-1),
        "scaffold": a[..., window.scaffold].sum(-1).mean(-1),
    }
    if document.turns:
        turn, speaker = window.turn, window.speaker
        rows = (turn >= 0) & (turn != turn[turn >= 0][0])
        content = a[:, :, rows] * (turn >= 0)
        on_content = content.sum(-1)
        own_turn = turn[rows][:, None] == turn
        own_speaker = speaker[rows][:, None] == speaker
        heads["cross_turn"] = ((content * ~own_turn).sum(-1) / on_content).mean(-1)
        heads["cross_speaker"] = ((content * ~own_speaker).sum(-1) / on_content).mean(-1)
        heads["own_history"] = ((content * (own_speaker & ~own_turn)).sum(-1) / on_content).mean(-1)
    return heads


TOLERANCES = {"distance": 1e-3, "entropy": 1e-4}  # tokens, nats; shares 1e-5


@pytest.mark.parametrize("model", [MINILM, LLAMA])
@pytest.mark.parametrize("kind", ["text", "conversation"])
def test_metrics_of_every_head_equal_dense_float64(serving: Serving, llama: Path, model: str, kind: str) -> None:
    folder = llama if model == LLAMA else packaged_minilm().path
    assert folder is not None
    with Client(serving.url) as client:
        if kind == "text":
            expected = dense_heads(folder, Document(text=TEXT))
            given = client.analyze({"text": TEXT}, model=model, include=("heads",))
        else:
            expected = dense_heads(folder, Document(turns=tuple(Turn(*turn) for turn in TURNS)))
            turns = [{"speaker": speaker, "text": text} for speaker, text in TURNS]
            given = client.analyze({"turns": turns}, model=model, include=("heads",))
    assert given.heads is not None
    assert given.windows == 1
    for name, values in expected.items():
        found = np.array(given.heads[name])
        np.testing.assert_allclose(found, values, rtol=0, atol=TOLERANCES.get(name, 1e-5), err_msg=name)


def numbers(analysis: Analysis) -> dict[str, float]:
    return {name: value for name, value in analysis.metrics.model_dump().items() if value is not None}


def test_a_text_alone_and_in_a_job_of_fifty_others_gets_the_same_numbers(serving: Serving) -> None:
    alone_text, lines = TEXT + " Alone.", []
    for number in range(50):
        text = f"Story {number}. " + "".join(SENTENCES[(number + k) % 3] for k in range(1 + number % 17))
        lines.append({"id": f"d{number}", "text": text})
    lines.insert(25, {"id": "the one", "text": alone_text})
    with Client(serving.url) as client:
        first = client.analyze({"text": alone_text})
        alone = numbers(first)
        client.delete(f"/v1/analyses/{first.id}")  # or the job would find the numbers and not make them again
        stored = client.upload_dataset("\n".join(map(json.dumps, lines)).encode(), name="stories")
        job = client.wait(client.batch(stored.id).id, timeout=120)
        assert (job.state, job.progress.done) == ("succeeded", 51)
        (entry,) = [entry for entry in client.analyses(job_id=job.id) if entry.external_id == "the one"]
        again = client.analysis(entry.id)
        assert not again.cached
        among = numbers(again)
    assert among.keys() == alone.keys()
    for name, value in alone.items():
        assert among[name] == pytest.approx(value, rel=1e-5, abs=1e-9), name


def test_sixty_four_clients_at_once_all_finish_and_share_forward_passes(serving: Serving) -> None:
    statuses: list[int] = [0] * 64
    jobs: list[str] = [""] * 64
    together = threading.Barrier(64)

    def post(index: int) -> None:
        body = {"text": f"Letter {index}. " + SENTENCES[index % 3] * 6}
        with httpx.Client(base_url=serving.url, timeout=90) as client:
            together.wait()
            answer = client.post("/v1/analyses", json=body)
            statuses[index] = answer.status_code
            jobs[index] = answer.json().get("job_id") or answer.json()["id"]

    log = serving.folder / "logs" / "worker-1.log"
    begin = log.stat().st_size
    threads = [threading.Thread(target=post, args=(index,)) for index in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {201, 202}
    with Client(serving.url) as client:
        until(lambda: all(client.job(job).state == "succeeded" for job in jobs), "the success of every job")
    text = log.read_bytes()[begin:].decode(errors="replace")
    shared = [int(count) for count in re.findall(r"pass model=\S+ documents=(\d+)", text)]
    logging.getLogger(__name__).info("documents by pass: %s", shared)
    assert sum(shared) == 64
    assert len(shared) < 64
    assert max(shared) > 1
