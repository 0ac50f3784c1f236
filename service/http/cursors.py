"""Cursors: strings, opaque to clients, that say after which row the next page of a list begins."""

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Any

from service.http.problems import BAD_CURSOR, Problem

Value = datetime | float | str | int | None


def write_cursor(order: str, *values: Value) -> str:
    """The cursor of a list in this order, after the row with these values."""
    plain = [value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value for value in values]
    return base64.urlsafe_b64encode(json.dumps([order, *plain]).encode()).decode().rstrip("=")


def read_cursor(cursor: str, order: str, *kinds: type) -> list[Any]:
    """The values of a cursor of this order. Raises a `Problem` for any other string.

    A value of kind float may be null; one of kind datetime is a time with its zone.
    """
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)))
        if not isinstance(found, list) or len(found) != len(kinds) + 1 or found[0] != order:
            raise Problem(BAD_CURSOR)
        return [_value(value, kind) for value, kind in zip(found[1:], kinds, strict=True)]
    except (ValueError, binascii.Error, UnicodeError, RecursionError):
        raise Problem(BAD_CURSOR) from None


def _value(value: Any, kind: type) -> Any:
    if kind is datetime and isinstance(value, str):
        time = datetime.fromisoformat(value)
        if time.tzinfo is None:
            raise ValueError("a time without a zone")
        return time
    if kind is float and (value is None or isinstance(value, int | float)):
        return value if value is None else float(value)
    if kind is int and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        return value
    if kind is str and isinstance(value, str) and "\x00" not in value:
        return value
    raise ValueError("a value of another kind")
