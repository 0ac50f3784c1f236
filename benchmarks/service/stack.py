"""The embedded stack that is measured: the packaged encoder alone, one worker, on a folder that is gone afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from benchmarks.service.conversations import conversation
from hearken.local import temporary_folder
from hearken.local.stack import Stack, StackPlan

MODEL = "all-MiniLM-L6-v2"
_MODELS = f'[[model]]\nid = "{MODEL}"\npackaged = true\ndefault = true\n'


@contextmanager
def running_stack() -> Iterator[Stack]:
    """A stack whose worker has its model open and has measured something."""
    with temporary_folder() as folder:
        models = folder / "models.toml"
        models.write_text(_MODELS, encoding="utf-8")
        with Stack(StackPlan(folder / "data", port=0, models=models)) as running:
            _measure_something(running.url)
            yield running


def _measure_something(url: str) -> None:
    with httpx.Client(base_url=url, timeout=120, trust_env=False) as client:
        body = {"conversation": conversation(0)}
        accepted = client.post("/v1/analyses", json=body, headers={"Prefer": "respond-async"}).raise_for_status()
        while not client.get(accepted.headers["location"], headers={"Prefer": "wait=30"}).json()["finished_at"]:
            pass
