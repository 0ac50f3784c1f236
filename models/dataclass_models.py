"""Pydantic models made from the frozen dataclasses of a result, so that its fields stand in one place.

They have the JSON of `attention.comparison.json_form`: the items of a flattened mapping are further fields of the
object. A model keeps which fields were given, so that an answer with `exclude_unset` repeats what is stored, no more.
"""

import dataclasses
from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

from attention.comparison.json_form import is_flattened, is_required


@cache
def model_of(kind: Any) -> type[BaseModel]:
    """The model of a dataclass, under its name and with its docstring."""
    hints, fields = get_type_hints(kind), dataclasses.fields(kind)
    named: dict[str, Any] = {
        field.name: _field(field, hints[field.name]) for field in fields if not is_flattened(field)
    }
    flat = [get_args(hints[field.name])[1] for field in fields if is_flattened(field)]
    base = _with_items(_form(flat[0])) if flat else BaseModel
    made: type[BaseModel] = create_model(
        kind.__name__, __base__=base, __doc__=kind.__doc__, __module__=__name__, **named
    )
    return made


def with_parts_of(kind: type, base: type[BaseModel], instead: Mapping[type, type[BaseModel]]) -> type[BaseModel]:
    """`base` with the fields of a dataclass, all of which may be absent.

    `instead` names the models that take the place of those of some dataclasses inside.
    """
    hints = get_type_hints(kind)
    parts: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        form = _form(hints[field.name], instead)
        description = field.metadata.get("description")
        empty = get_origin(form)
        if empty in (list, dict):
            parts[field.name] = (form, Field(default_factory=empty, description=description))
        else:
            parts[field.name] = (form | None, Field(default=None, description=description))
    made: type[BaseModel] = create_model(f"{base.__name__}With{kind.__name__}", __base__=base, **parts)
    return made


def _field(field: "dataclasses.Field[Any]", hint: Any) -> tuple[Any, Any]:
    description = field.metadata.get("description")
    if is_required(field) or not field.init:
        return _form(hint), Field(description=description)
    if field.default_factory is not dataclasses.MISSING:
        return _form(hint), Field(default_factory=field.default_factory, description=description)
    default = [] if field.default == () else field.default
    return _form(hint), Field(default=default, description=description)


def _form(hint: Any, instead: Mapping[type, type[BaseModel]] | None = None) -> Any:
    """The type of a field's JSON."""
    origin, given = get_origin(hint), get_args(hint)
    if instead and hint in instead:
        return instead[hint]
    if dataclasses.is_dataclass(hint):
        return model_of(hint)  # type: ignore[arg-type]  # mypy takes no class for hashable
    if origin in (Union, UnionType):
        return Union[tuple(_form(one, instead) for one in given)]  # noqa: UP007 - the members are known only here
    if origin is tuple:
        return list[_form(given[0], instead)]  # type: ignore[misc]
    if origin is Mapping:
        return dict[given[0], _form(given[1], instead)]  # type: ignore[misc,valid-type]
    return hint


def _with_items(form: Any) -> type[BaseModel]:
    """An object whose further fields have this form."""

    class WithItems(BaseModel):
        model_config = ConfigDict(extra="allow")
        __pydantic_extra__: dict[str, form]

    return WithItems
