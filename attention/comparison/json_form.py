"""Frozen dataclasses as JSON and back, by their types alone.

A dataclass is an object with its fields' names, a mapping an object, a tuple a list, and everything else itself. Two
metadata of a field change that: `FLATTENED` puts the items of a mapping beside the other fields, `LEFT_OUT` keeps a
field out of the JSON while it has its default value. A field that is computed (`init=False`) is written, and computed
again when it is read.
"""

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from types import UnionType
from typing import Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

FLATTENED: Final = {"flattened": True}
LEFT_OUT: Final = {"left out": True}

Kind = TypeVar("Kind")
Reader = Callable[[Any], Any]


def described(sentence: str) -> dict[str, Any]:
    """The metadata of a field with a sentence about it, for the schema of the JSON."""
    return {"description": sentence}


def as_json(value: Any) -> Any:
    """A dataclass of this kind, or what such a one may hold, as JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _object(value)
    if isinstance(value, Mapping):
        return {name: as_json(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [as_json(one) for one in value]
    return value


def from_json(kind: type[Kind], value: Any) -> Kind:
    """The dataclass that `as_json` wrote. Fields that it does not know are ignored, those with a default may lack.

    Raises:
        ValueError: the value has not the form of the dataclass; says what it lacks.
    """
    made: Kind = _reader(kind)(value)  # type: ignore[arg-type]  # mypy takes no class for hashable
    return made


def _object(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        part = getattr(value, field.name)
        if is_flattened(field):
            found |= {name: as_json(one) for name, one in part.items()}
        elif not (field.metadata.get("left out") and part == field.default):
            found[field.name] = as_json(part)
    return found


def is_flattened(field: "dataclasses.Field[Any]") -> bool:
    """Whether the items of the field's mapping stand beside the other fields."""
    return bool(field.metadata.get("flattened"))


def is_required(field: "dataclasses.Field[Any]") -> bool:
    """Whether JSON without the field cannot be read."""
    defaults = (field.default, field.default_factory)
    return field.init and not is_flattened(field) and all(default is dataclasses.MISSING for default in defaults)


def _itself(value: Any) -> Any:
    return value


@cache
def _reader(kind: Any) -> Reader:
    """What makes a value of this type from its JSON."""
    origin, given = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _reader_of_object(kind)
    if origin in (Union, UnionType):
        return _reader_of_union([one for one in given if one is not type(None)])
    if origin is tuple:
        item = _reader(given[0])
        return tuple if item is _itself else lambda value: tuple(map(item, value))
    if origin is Mapping:
        item = _reader(given[1])
        return dict if item is _itself else lambda value: {name: item(one) for name, one in value.items()}
    return _itself


def _reader_of_object(kind: Any) -> Reader:
    fields, hints = dataclasses.fields(kind), get_type_hints(kind)
    flat = next((field.name for field in fields if is_flattened(field)), None)
    names = {field.name for field in fields} - {flat}
    readers = {field.name: _reader(hints[field.name]) for field in fields if field.init}
    needed = _needed(kind)

    def read(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ValueError(f"what should be a {kind.__name__} is no object")
        if not needed <= value.keys():
            raise ValueError(f"what should be a {kind.__name__} lacks {', '.join(sorted(needed - value.keys()))}")
        given = {name: readers[name](part) for name, part in value.items() if name in readers and name != flat}
        if flat is not None:
            given[flat] = readers[flat]({name: part for name, part in value.items() if name not in names})
        return kind(**given)

    return read


def _reader_of_union(kinds: list[Any]) -> Reader:
    """None stays None; of several dataclasses the first is taken whose required fields the JSON has."""
    readers = [_reader(kind) for kind in kinds]
    if all(reader is _itself for reader in readers):
        return _itself
    if len(kinds) == 1:
        return lambda value: None if value is None else readers[0](value)
    choices = [(_needed(kind), reader) for kind, reader in zip(kinds, readers, strict=True)]

    def read(value: Any) -> Any:
        if value is None:
            return None
        for needed, reader in choices:
            if needed <= value.keys():
                return reader(value)
        raise ValueError(f"this is none of {', '.join(kind.__name__ for kind in kinds)}: {', '.join(sorted(value))}")

    return read


def _needed(kind: Any) -> frozenset[str]:
    return frozenset(field.name for field in dataclasses.fields(kind) if is_required(field))
