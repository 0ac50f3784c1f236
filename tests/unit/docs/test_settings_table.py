"""The operator's page lists every setting, with its default and its meaning."""

from project_tree import ROOT

from models.settings import Settings

PAGE = ROOT / "docs" / "operations.md"


def test_the_settings_table_is_the_settings_class() -> None:
    written = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `HEARKEN_")]
    expected = [
        f"| `HEARKEN_{name.upper()}` | {'' if field.default is None else f'`{field.default}`'} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    assert written == expected
