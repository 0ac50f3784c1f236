"""Fields: a record as the object that it is, and its fields as texts, ids and labels."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic_core import from_json

from formats.datasets.records import Fault, Record
from formats.notes import Notes

_SAID: Final = ("text", "turns", "messages")
LABEL: Final = "labels."
"""A column `labels.team` has the label `team`."""
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{0,20})?(?:[eE][+-]?[0-9]{1,2})?")
MOST_LABELS: Final = 50
MOST_LABEL_KEY: Final = 100
MOST_LABEL_VALUE: Final = 500


class BadField(Exception):  # noqa: N818 - it says what happened
    """A field cannot be understood; `pointer` names it."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(message)
        self.pointer = pointer

    def fault(self, record: Record) -> Fault:
        """The same as the fault of a record."""
        return Fault(record.place, self.pointer, str(self))


def fields_of(record: Record) -> Mapping[str, Any]:
    """The fields of a record. Raises BadField where it is no JSON object."""
    fields: Any = record.content
    if isinstance(fields, bytes):
        try:
            fields = from_json(fields)
        except ValueError as error:
            raise BadField("", f"Invalid JSON: {error}") from None
    if not isinstance(fields, Mapping):
        raise BadField("", "give a JSON object, which begins with a curly bracket")
    return fields


def shown(text: str, most: int = 60) -> str:
    """A piece of a file as a fault quotes it: on one line and cut."""
    line = " ".join(text.split())
    return f"`{line}`" if len(line) <= most else f"`{line[: most - 3]}...`"


def counted(count: int, what: str) -> str:
    """So many of something, in words: `one conversation`, `2 conversations`."""
    return f"one {what}" if count == 1 else f"{count} {what}s"


def value_of(cell: Any) -> Any:
    """A list or an object, also where a cell of a table holds it as JSON; anything else as it is."""
    if isinstance(cell, str) and cell.lstrip()[:1] in ("[", "{"):
        try:
            return from_json(cell)
        except ValueError:
            return cell
    return cell


def is_list_of(cell: Any, *members: str) -> bool:
    """Whether it is a list whose first item is an object with these members, also as JSON in a cell."""
    value = value_of(cell)
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and set(members) <= value[0].keys()


def is_empty(cell: Any) -> bool:
    """Whether a cell holds nothing."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def id_of(cell: Any) -> str | None:
    """An id, also where it was kept as a number; None where it is empty or nothing that is an id."""
    if isinstance(cell, str):
        return cell.strip() or None
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return None
    try:
        return str(int(cell)) if isinstance(cell, int) or cell.is_integer() else repr(cell)
    except ValueError:  # more digits than are ever written
        return None


def number_of(cell: Any) -> float | None:
    """A number, also where a cell of a table holds it as text; None for anything else."""
    if isinstance(cell, str) and _NUMBER.fullmatch(cell.strip()):
        return float(cell)
    return float(cell) if isinstance(cell, int | float) and not isinstance(cell, bool) and abs(cell) < 1e21 else None


def first_id(fields: Mapping[str, Any], *names: str) -> str | None:
    """The first id among fields of these names."""
    return next((found for name in names if (found := id_of(fields.get(name))) is not None), None)


def label_of(value: Any) -> str | None:
    """Text, a number or a truth value as the value of a label; None for anything else and for text that is too long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else id_of(value)
    return text if text is not None and len(text) <= MOST_LABEL_VALUE else None


def passed_over(fields: Iterable[str], read: Iterable[str], notes: Notes, prefix: str = "") -> dict[str, None]:
    """The fields that nothing reads, named without their values.

    A field that is named as what a document says is not given on as one of it, and is told in a note.
    """
    known = set(read)
    others = {prefix + name: None for name in fields if name not in known}
    for name in _SAID:
        if name in others:
            del others[name]
            notes.say(f"`{name}` is passed over, for what is said stands in another field")
    return others
