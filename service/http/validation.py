"""Pydantic's errors as the errors of a problem document."""

from collections.abc import Sequence
from typing import Any

from models.schemas.problems import FieldError

MOST_ERRORS = 20
"""How many errors one problem document names."""


def field_errors(found: Sequence[Any]) -> list[FieldError]:
    """Pydantic's errors as pointers and messages, without what was sent."""
    return [FieldError(pointer=_pointer(tuple(entry["loc"])), message=_message(entry)) for entry in found]


def _pointer(location: tuple[int | str, ...]) -> str:
    place, *rest = location or ("body",)
    if place in ("query", "header", "path", "cookie"):
        return f"{place}:{'.'.join(map(str, rest))}"
    steps = rest if place == "body" else location
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def _message(entry: dict[str, Any]) -> str:
    return str(entry["msg"]).removeprefix("Value error, ")
