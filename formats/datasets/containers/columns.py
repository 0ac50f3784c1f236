"""Columns: what a table's header must be, and what the cells of a row mean as the fields of one document."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from pydantic_core import from_json

TEXTS: Final = ("id", "domain", "text", "cluster")
NESTED: Final = ("turns", "messages", "labels")
"""In a cell of text these are JSON."""
INPUTS: Final = ("text", "turns", "messages")
LABEL: Final = "labels."
"""A column `labels.team` has the label `team`."""

MOST_COLUMNS: Final = 1_000


class CellError(ValueError):
    """A cell cannot be understood. `pointer` names its field."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(message)
        self.pointer = pointer


class Rows(Protocol):
    """What the rows of one table are. `documents`: each is one document, and of other columns only the names count."""

    documents: bool

    def fields(self, cells: Mapping[str, Any]) -> Mapping[str, Any]:
        """The fields of a record from the cells of a row by their columns. Raises `CellError`."""


RowsOf = Callable[[Mapping[str, Any]], Rows]
"""What rows are by the first of them. Raises ValueError with what is wrong with the columns."""


class RowsOfDocuments:
    """Each row is a document, its fields in columns of their names. Raises ValueError where none has what is said."""

    documents = True

    def __init__(self, names: Sequence[str]) -> None:
        if not set(names) & set(INPUTS):
            known = ", ".join(f"`{name}`" for name in INPUTS)
            raise ValueError(f"none of the columns is called {known}; there are {_listed(names)}")
        self._others = dict.fromkeys(name for name in names if not is_known(name))

    def fields(self, cells: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of one document. An empty cell gives none; other columns are named, without a value."""
        fields: dict[str, Any] = dict(self._others)
        labels: dict[str, Any] = {}
        for name, cell in cells.items():
            if cell is None or cell == "":
                continue
            if name in TEXTS:
                fields[name] = cell
            elif name in NESTED:
                fields[name] = _from_json(name, cell) if isinstance(cell, str) else cell
            elif name.startswith(LABEL):
                labels[name.removeprefix(LABEL)] = cell
            else:
                fields[name] = None
        if labels:
            fields["labels"] = _together(fields.get("labels"), labels)
        return fields


class RowsAsTheyAre:
    """Each row is a record of its cells, by the names of their columns; a layout knows what they mean."""

    documents = False

    def fields(self, cells: Mapping[str, Any]) -> Mapping[str, Any]:
        """The cells."""
        return cells


def check_columns(names: Sequence[str]) -> None:
    """Raise ValueError with what is wrong with the columns of a table of any kind. Some may have no name."""
    if len(names) > MOST_COLUMNS:
        raise ValueError(f"there are {len(names)} columns; at most {MOST_COLUMNS} are read")
    if repeated := [name for name in names if name and names.count(name) > 1]:
        raise ValueError(f"more than one column is called {_shown(repeated[0])}")


def is_known(name: str) -> bool:
    """Whether a column is one that documents have."""
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
