"""Attack: a model that brings its own Python and asks for it to be run. None of it is run."""

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_models import tiny_model, tiny_tokenizer

from attention.errors import DocumentRefused, HearkenError, RemoteCode
from attention.model.loading import open_model
from attention.model.model import ModelSource
from attention.text.documents import Document, Turn
from attention.text.rendering import render


def trap(tmp_path: Path, name: str, settings: dict[str, Any]) -> ModelSource:
    """A tiny model with code beside it that makes a folder, and settings that point at the code."""
    folder = tiny_model(tmp_path / "model")
    (folder / "trap.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'trace')!r})\nclass Trap: pass\n")
    file = folder / name
    content = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(content | settings))
    return ModelSource(id="trap", path=folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "processor_config.json"])
@pytest.mark.parametrize(
    "target", [{"AutoModel": "trap.Trap", "AutoConfig": "trap.Trap"}, {}, None, ["trap.Trap", None]]
)
def test_auto_map_is_refused_wherever_it_stands(name: str, target: Any, tmp_path: Path) -> None:
    source = trap(tmp_path, name, {"auto_map": target})
    with pytest.raises(RemoteCode, match=f"auto_map in {name}"):
        open_model(source)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("config.json", {"architectures": ["trap.Trap"]}),
        ("config.json", {"custom_pipelines": {"x": {"impl": "trap.Trap"}}}),
        ("config.json", {"_attn_implementation": "someone/kernel:trap"}),
        ("config.json", {"attn_implementation": "someone/kernel"}),
        ("generation_config.json", {"custom_generate": "trap.py"}),
        ("tokenizer_config.json", {"tokenizer_class": "trap.Trap"}),
        ("tokenizer_config.json", {"tokenizer_file": "/etc/passwd"}),
    ],
)
def test_no_other_setting_runs_code_or_changes_attention(name: str, settings: dict[str, Any], tmp_path: Path) -> None:
    source = trap(tmp_path, name, settings)
    try:
        model = open_model(source)
    except HearkenError:
        pass
    else:
        assert model.network.config._attn_implementation == "hearken"  # type: ignore[union-attr]
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.mkdir('trace') }}",
        "{{ ''.__class__.__base__ }}{% for m in messages %}{{ m['content'] }}{% endfor %}",
        "{% for i in range(10 ** 9) %}{% endfor %}",
        "{% include '/etc/passwd' %}",
        "{{ 1 / 0 }}",
        "{% for %}",
        "{{ strftime_now.__globals__ }}",
    ],
)
def test_a_chat_template_stays_in_its_sandbox(template: str) -> None:
    tokenizer = tiny_tokenizer("byte-level-nfc", chat_template=template)
    with pytest.raises(DocumentRefused) as refused:
        render(tokenizer, Document(turns=(Turn("user", "yes"),), messages=True), context=512)
    assert "root:" not in str(refused.value)
    assert not Path("trace").exists()
