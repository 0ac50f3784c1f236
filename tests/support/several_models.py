"""A models file of several models, for services that compare them or search by their profiles."""

from pathlib import Path

from seeded_work import MODEL
from tiny_models import tiny_model

WIDE = "wide"
"""A model whose profiles have more numbers than are searched as they are."""
SHORT = "short"
"""The packaged model, reading no more at once than one window of SHORT_TOKENS: `truncate` keeps the first window."""
SHORT_TOKENS = 48
TUNED = ("before", "after")
"""Two small models of one architecture."""


def several_models(folder: Path) -> Path:
    """Write the models file, with the packaged model as its default, and the small models into a folder."""
    tiny_model(folder / WIDE, "gpt2", layers=9, heads=64, hidden=128, context=128)
    for number, name in enumerate(TUNED):
        tiny_model(folder / name, "llama", layers=3, context=256, seed=number)
    entries = [f'id = "{MODEL}"\npackaged = true\ndefault = true\n']
    entries += [f'id = "{SHORT}"\npackaged = true\nmax_tokens = {SHORT_TOKENS}\n']
    entries += [f'id = "{name}"\npath = "{folder / name}"\n' for name in (WIDE, *TUNED)]
    file = folder / "models.toml"
    file.write_text("".join(f"[[model]]\n{entry}\n" for entry in entries), encoding="utf-8")
    return file
