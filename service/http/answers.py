"""Answers in JSON, written straight from plain content and arrays.

Dictionaries, lists, dataclasses, times and numpy arrays become bytes in one step. Numbers are written with the fewest
digits that read back as the same number of the same precision, times in UTC with a Z, NaN and infinities as null.
"""

from typing import Any

import orjson
from fastapi import Response

OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z


def written(content: Any) -> bytes:
    """Content as JSON. Arrays must lie in memory row by row."""
    return orjson.dumps(content, option=OPTIONS)


class JsonAnswer(Response):
    """An answer of plain content, which nothing checks or copies any more; its route names the schema it keeps to."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The content as JSON."""
        return written(content)
