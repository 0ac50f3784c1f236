"""`hearken demo`: from nothing to numbers and a page, and a plain word where the model cannot be had."""

import re
import subprocess
import time
from pathlib import Path

import pytest
from serving import HEARKEN, environment, refused

pytestmark = pytest.mark.xdist_group("serve")  # not beside the other whole stacks: two processors are not enough


def test_the_demonstration_ends_with_tables_and_a_self_contained_report(folder: Path) -> None:
    first = demonstrated(folder)
    for words in ("who attends", "cross speaker", "interdependency", "adjusted p", "report.html"):
        assert words in first.stdout
    for domain in ("conversation", "web", "code", "mathematics"):
        assert re.search(rf"\b{domain} 1\d|\b{domain} [2-9]\d", first.stdout), domain
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert re.search(r"<script[^>]+src=|<link[^>]+href=[\"']?http", page) is None
    began = time.monotonic()
    again = demonstrated(folder)
    assert time.monotonic() - began < 60
    assert table_of(again.stdout) == table_of(first.stdout)


@pytest.mark.slow
def test_the_demonstration_measures_with_the_decoder_and_shows_the_encoder_beside_it(folder: Path) -> None:
    said = demonstrated(folder, HEARKEN_MODELS="").stdout
    assert re.search(r"^smollm2-135m-instruct read 1,\d{3} tokens, 41 turns", said, re.M)
    (sink,) = re.findall(r"^ sink +(0\.\d+) +(0\.\d+) *$", said, re.M)
    assert float(sink[0]) > 0.2 > float(sink[1])
    assert "back only" in said
    assert "both ways" in said
    assert re.search(r"entropy is higher in conversation than in code: Cliff's delta (1\.00|0\.9\d)", said)


def test_a_model_of_an_unreachable_hub_is_refused_with_what_to_do(folder: Path) -> None:
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0"}
    status, stderr = refused("demo", "--folder", folder, "--model", "someone/something", **nowhere)
    assert status == 2
    assert "hub cannot be reached for someone/something" in stderr
    assert "make demo MODEL=/path/to/folder" in stderr
    assert stderr.count("\n") == 1


def demonstrated(folder: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    """One finished demonstration."""
    command = [*HEARKEN, "demo", "--folder", str(folder)]
    named = environment(**settings)
    done = subprocess.run(command, env=named, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def table_of(output: str) -> list[str]:
    """The numbers of the comparison, line by line."""
    lines = output.partition("Four domains")[2].splitlines()
    return [line for line in lines if re.search(r"\d\.\d+–\d", line)]
