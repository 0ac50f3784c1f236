"""Columns: what the cells of a row in a table mean as the fields of one document."""

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic_core import from_json

TEXTS = ("id", "domain", "text", "cluster")
NESTED = ("turns", "messages", "labels")
"""In a cell of text these are JSON."""
INPUTS = ("text", "turns", "messages")
LABEL = "labels."
"""A column `labels.team` has the label `team`."""

MOST_COLUMNS = 1_000


class CellError(ValueError):
    """A cell cannot be understood. `pointer` names its field."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(message)
        self.pointer = pointer


class Columns:
    """The columns of a table, by their names in order. `passed_over` names columns whose cells are not even read.

    Raises ValueError with the fault where no document could come of such columns.
    """

    def __init__(self, names: Sequence[str], passed_over: Iterable[str] = ()) -> None:
        others = list(passed_over)
        everything = [*names, *others]
        if len(everything) > MOST_COLUMNS:
            raise ValueError(f"there are {len(everything)} columns; at most {MOST_COLUMNS} are read")
        if repeated := [name for name in names if everything.count(name) > 1]:
            raise ValueError(f"more than one column is called {_shown(repeated[0])}")
        if not set(names) & set(INPUTS):
            known = ", ".join(f"`{name}`" for name in INPUTS)
            raise ValueError(f"none of the columns is called {known}; there are {_listed(everything)}")
        self._names = names
        self._unknown = dict.fromkeys([*(name for name in names if not _known(name)), *others])

    def record(self, cells: Sequence[Any]) -> dict[str, Any]:
        """The fields of one document. An empty cell gives none; unknown columns are named, without a value.

        Raises `CellError`.
        """
        if len(cells) != len(self._names):
            raise CellError("", f"it has {len(cells)} cells; there are {len(self._names)} columns")
        fields: dict[str, Any] = dict(self._unknown)
        labels: dict[str, Any] = {}
        for name, cell in zip(self._names, cells, strict=True):
            if cell is None or cell == "":
                continue
            if name in TEXTS:
                fields[name] = cell
            elif name in NESTED:
                fields[name] = _from_json(name, cell) if isinstance(cell, str) else cell
            elif name.startswith(LABEL):
                labels[name.removeprefix(LABEL)] = cell
        if labels:
            fields["labels"] = _together(fields.get("labels"), labels)
        return fields


def _known(name: str) -> bool:
    return name in TEXTS or name in NESTED or (name.startswith(LABEL) and name != LABEL)


def _from_json(name: str, cell: str) -> Any:
    try:
        return from_json(cell)
    except ValueError as error:
        raise CellError(f"/{name}", f"the cell is not JSON: {error}") from None


def _together(given: Any, labels: dict[str, Any]) -> Any:
    """The labels of the column `labels` and those of columns `labels.KEY`, as one."""
    if given is None:
        return labels
    if not isinstance(given, dict):
        raise CellError("/labels", "give an object of strings")
    if twice := given.keys() & labels.keys():
        raise CellError("/labels", f"{_shown(min(twice))} is given twice, in `labels` and in a column of its own")
    return given | labels


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(map(_shown, names[:10])) + more if names else "none"


def _shown(name: str) -> str:
    return f"`{name[:60]}`"
