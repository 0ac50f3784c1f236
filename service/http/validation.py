"""Pydantic's errors as the errors of a problem document."""

from collections.abc import Sequence
from typing import Any

from models.schemas.problems import FieldError, message_of, pointer_of

MOST_ERRORS = 20
"""How many errors one problem document names."""


def field_errors(found: Sequence[Any]) -> list[FieldError]:
    """Pydantic's errors as pointers and messages, without what was sent."""
    return [FieldError(pointer=_pointer(tuple(entry["loc"])), message=message_of(entry)) for entry in found]


def _pointer(location: tuple[int | str, ...]) -> str:
    place, *rest = location or ("body",)
    if place in ("query", "header", "path", "cookie"):
        return f"{place}:{'.'.join(map(str, rest))}"
    return pointer_of(rest if place == "body" else location)
