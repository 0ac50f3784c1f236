"""A worker loads what its first work needs, and no more: what takes seconds is imported where it is first used."""

import subprocess
import sys

import pytest
from project_tree import ROOT

AT_FIRST_USE = {
    "sklearn", "openTSNE", "matplotlib", "plotly", "pandas", "pyarrow", "peft", "bitsandbytes",
    "fastapi", "uvicorn", "report.page", "report.figures", "attention.comparison.conduct", "attention.model.peft_alone",
    "workers.comparing.summaries", "workers.inquiries.map_points",
}  # fmt: skip
"""Packages and modules that measuring does without."""


def loaded(statement: str, names: set[str]) -> list[str]:
    """Those of the names that a process of its own has imported after a statement."""
    script = f"import sys\n{statement}\nprint(*sorted({names!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("process", ["workers.tasks", "workers.celery.beat"])
def test_a_process_of_the_workers_starts_without_the_science(process: str) -> None:
    assert loaded(f"import {process}", {"torch", "transformers", *AT_FIRST_USE}) == []


def test_what_measures_is_loaded_without_statistics_drawing_or_adapters() -> None:
    assert loaded("import workers.dispatch", {"torch", *AT_FIRST_USE}) == ["torch"]


def test_opening_and_measuring_need_none_of_them_either(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("model")
    statement = f"""
sys.path.insert(0, {str(ROOT / "tests" / "support")!r})
import workers.dispatch
from pathlib import Path
from tiny_models import tiny_model
from attention.measure.analysis import analyse
from attention.model.loading import open_model
from attention.model.model import ModelSource
from attention.text.documents import Document
from attention.text.rendering import render

model = open_model(ModelSource(id="tiny", path=tiny_model(Path({str(folder)!r})), device="cpu"))
analyse(model, [render(model.tokenizer, Document(text="Are you coming?"), context=128)], token_budget=128)
"""
    assert loaded(statement, AT_FIRST_USE) == []
