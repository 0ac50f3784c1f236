"""A kept proof holds for exactly what was proven, and for nothing that somebody else could have written."""

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import tiny_model

from attention import kernels
from attention.errors import FamilyNotProven
from attention.hook import attention_function
from attention.kernels import AttentionCall, RowStatistics
from attention.model.checks import kept_proof, proof
from attention.model.loading import open_model
from attention.model.model import Model, ModelSource


class Opening:
    """Opens a model as a process does that has just started, and counts the proofs that are made of it."""

    def __init__(self, source: ModelSource, monkeypatch: pytest.MonkeyPatch) -> None:
        self.source = source
        self.proofs = 0
        made = proof._check

        def counted(*given: Any) -> proof.Proof:
            self.proofs += 1
            return made(*given)

        monkeypatch.setattr(proof, "_check", counted)

    def __call__(self, **changes: Any) -> Model:
        proof._proofs.clear()
        return open_model(replace(self.source, **changes))

    @property
    def files(self) -> list[Path]:
        assert self.source.proofs is not None
        return sorted(self.source.proofs.iterdir())


@pytest.fixture
def opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opening:
    source = ModelSource(id="tiny", path=tiny_model(tmp_path / "model"), device="cpu", proofs=tmp_path / "proofs")
    return Opening(source, monkeypatch)


def test_a_proof_is_kept_and_the_next_process_makes_none(opening: Opening) -> None:
    first = opening()
    assert (opening.proofs, len(opening.files)) == (1, 1)
    second = opening()
    assert opening.proofs == 1
    assert second.facts == first.facts
    assert opening.files[0].stat().st_mode & 0o077 == 0
    assert opening.files[0].parent.stat().st_mode & 0o077 == 0


def test_without_a_folder_every_process_proves_anew(opening: Opening) -> None:
    for _ in range(2):
        opening(proofs=None)
    assert opening.proofs == 2


def test_other_weights_or_another_configuration_or_dtype_are_proven_anew(opening: Opening, tmp_path: Path) -> None:
    opening()
    opening(path=tiny_model(tmp_path / "weights", seed=1))
    assert opening.proofs == 2
    opening(path=tiny_model(tmp_path / "context", context=64))
    assert opening.proofs == 3
    opening(dtype="bfloat16")
    assert opening.proofs == 4
    opening(untrained_seed=0)
    assert opening.proofs == 5
    opening()
    assert opening.proofs == 5


CHANGES: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    **{
        name: lambda patch, name=name: patch.setitem(kept_proof.VERSIONS, name, "0.0.1")  # type: ignore[misc]
        for name in kept_proof.VERSIONS
    },
    "code": lambda patch: patch.setattr(kept_proof, "OWN_CODE", "of other code"),
    "definitions": lambda patch: patch.setattr(kept_proof, "DEFINITIONS", "hearken-metrics/0"),
    "network": lambda patch: patch.setattr(kept_proof, "_network_code", lambda _kind: "another modeling file"),
    "device": lambda patch: patch.setattr(kept_proof, "_named", lambda _device: "another device"),
    "kernel": lambda patch: patch.setattr(kept_proof, "kernel_name", lambda _device: "another kernel"),
    "processor": lambda patch: patch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "OTHER"),
    "python": lambda patch: patch.setattr("platform.python_version", lambda: "3.0.0"),
}


@pytest.mark.parametrize("changed", CHANGES)
def test_a_proof_is_not_used_after_a_change_of_what_it_rests_on(
    changed: str, opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening()
    with monkeypatch.context() as patch:
        CHANGES[changed](patch)
        opening()
        assert opening.proofs == 2
        opening()  # kept beside the first
        assert opening.proofs == 2
    opening()
    assert opening.proofs == 2


def test_every_condition_that_is_kept_is_tried_above(opening: Opening) -> None:
    opening()
    conditions = json.loads(opening.files[0].read_text())["conditions"]
    assert conditions.keys() == CHANGES.keys() | {"weights", "configuration", "dtype"}


def test_the_code_that_is_named_is_that_of_the_capture_the_kernels_and_the_check() -> None:
    own = Path(kept_proof.__file__).parents[2]
    files = sorted(path for path in own.rglob("*") if path.suffix in (".py", ".so"))
    lines = "".join(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n" for path in files)
    assert {"attention_function.py", "blocked.py", "proof.py", "choices.py"} <= {path.name for path in files}
    assert hashlib.sha256(lines.encode()).hexdigest() == kept_proof.OWN_CODE


def test_what_could_not_be_proven_is_never_kept_as_proven(opening: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(call: AttentionCall, rows: RowStatistics) -> torch.Tensor:
        output = kernels.attend(call, rows)
        rows.distance.mul_(1.01)
        return output

    for round_ in (1, 2):
        with monkeypatch.context() as patch:
            patch.setattr(attention_function, "attend", wrong)
            with pytest.raises(FamilyNotProven, match="differs from eager attention"):
                opening()
        assert opening.proofs == round_
        assert not opening.source.proofs.exists()  # type: ignore[union-attr]
    opening()
    assert (opening.proofs, len(opening.files)) == (3, 1)


def with_its_digest(content: dict[str, Any]) -> bytes:
    body = {"conditions": content["conditions"], "proof": content["proof"]}
    return json.dumps({**body, "sha256": kept_proof._digest(body)}).encode()


def forged(content: bytes, **values: Any) -> bytes:
    """A kept proof that says something else and has the digest of that."""
    stated = json.loads(content)
    return with_its_digest({**stated, "proof": {**stated["proof"], **values}})


DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _content: b"",
    "half": lambda content: content[: len(content) // 2],
    "all but its end": lambda content: content[:-1],
    "no JSON": lambda content: b"\x80\x04" + content,
    "another number": lambda content: content.replace(b'"heads": 4', b'"heads": 8'),
    "another condition": lambda content: content.replace(b'"dtype": "torch.float32"', b'"dtype": "torch.float64"'),
    "a list": lambda _content: b"[]",
    "deep": lambda _content: b"[" * 200_000,
    "no proof": lambda content: content.replace(b'"proof"', b'"prove"'),
    "of something else": lambda content: with_its_digest({**json.loads(content), "conditions": {"weights": "others"}}),
    "no layers": lambda content: forged(content, attending_layers=[]),
    "words for numbers": lambda content: forged(content, heads="4"),
    "a number for a truth": lambda content: forged(content, causal=1),
    "one field more": lambda content: forged(content, trusted=True),
    "too large": lambda content: content + b" " * kept_proof.LARGEST,
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_said_in_the_log_and_made_anew(
    damage: str, opening: Opening, caplog: pytest.LogCaptureFixture
) -> None:
    opening()
    (file,) = opening.files
    whole = file.read_bytes()
    damaged = DAMAGED[damage](whole)
    assert damaged != whole
    file.write_bytes(damaged)
    with caplog.at_level(logging.WARNING):
        opening()
    assert opening.proofs == 2
    assert "the kept proof of tiny is not used" in caplog.text
    assert opening.files == [file]
    assert file.read_bytes() == whole


def of_anybody(file: Path) -> None:
    file.chmod(0o666)


def in_a_folder_of_anybody(file: Path) -> None:
    file.parent.chmod(0o777)


def a_link(file: Path) -> None:
    file.rename(elsewhere := file.parent.parent / "elsewhere.json")
    file.symlink_to(elsewhere)


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("exposed", [of_anybody, in_a_folder_of_anybody, a_link, a_folder])
def test_a_file_that_others_could_have_written_is_not_believed(
    exposed: Callable[[Path], None], opening: Opening, caplog: pytest.LogCaptureFixture
) -> None:
    opening()
    exposed(opening.files[0])
    with caplog.at_level(logging.WARNING):
        opening()
    assert opening.proofs == 2
    assert "the kept proof of tiny is not used" in caplog.text


def test_a_model_opens_where_no_proof_can_be_kept(
    opening: Opening, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        model = opening(proofs=tmp_path / "file" / "proofs")
    assert model.facts.heads == 4
    assert "cannot be kept" in caplog.text
