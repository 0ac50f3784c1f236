"""Results as a table for the terminal and as files to keep."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `target` bounds `value` from above, or from below with `at_least`."""

    case: str
    against: str
    value: float | None
    unit: str
    detail: str
    target: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        if self.value is None or self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"met": self.met}


def line(row: Row) -> str:
    """One row as plain text."""
    return f"{row.case:<62} {_value(row):>16}  {_target(row):<22} against {row.against} ({row.detail})"


def _value(row: Row) -> str:
    return "-" if row.value is None else f"{row.value:.2f} {row.unit}"


def _target(row: Row) -> str:
    if row.target is None:
        return ""
    sign = "at least" if row.at_least else "at most"
    mark = {True: "met", False: "missed", None: "not measured"}[row.met]
    return f"{sign} {row.target:g}: {mark}"


def write(folder: Path, machine: dict[str, Any], rows: Sequence[Row], *, quick: bool) -> tuple[Path, Path]:
    """Write JSON and Markdown named for the time and the kind of run; gives both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"attention-{'quick-' if quick else ''}{machine['when'][:19].replace(':', '')}"
    data, page = folder / f"{stem}.json", folder / f"{stem}.md"
    data.write_text(json.dumps({"machine": machine, "quick": quick, "rows": [row.as_dict() for row in rows]}, indent=1))
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    lines = [
        "# Attention: side by side",
        "",
        f"{machine['when']}, {machine['processor']}, {machine['cores']} cores, {machine['threads']} threads, "
        f"{machine['memory_gb']} GB{', ' + machine['gpu'] if machine['gpu'] else ''}; kernel {machine['kernel']}; "
        f"load before the run {machine['load_before']}; Python {machine['python']}, {versions}."
        + (" A quick run: few layers, lengths and rounds." if quick else ""),
        "",
        "| case | against | result | target | detail |",
        "|---|---|---|---|---|",
        *(f"| {row.case} | {row.against} | {_value(row)} | {_target(row)} | {row.detail} |" for row in rows),
    ]
    page.write_text("\n".join(lines) + "\n")
    return data, page
