"""Problem details (RFC 9457): what every error looks like."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def pointer_of(steps: Iterable[int | str]) -> str:
    """The JSON pointer (RFC 6901) of a place, by the steps to it."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def message_of(error: Mapping[str, Any]) -> str:
    """What one of Pydantic's errors says."""
    return str(error["msg"]).removeprefix("Value error, ")


class FieldError(BaseModel):
    """One field that is wrong, as a JSON pointer into the body (or `header:Name`, `query:name`, `form:name`)."""

    pointer: str = Field(examples=["/conversation/turns/3/text"])
    message: str
    line: int | None = Field(default=None, description="In a data set: the line, or the row of a table, from 1.")


class ProblemDetails(BaseModel):
    """What went wrong and what to do."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Opens as a page that says what to do.", examples=["/problems/invalid-request"])
    title: str
    status: int
    detail: str
    instance: str
    errors: list[FieldError] | None = Field(default=None, description="Where fields are wrong.")
    limit: float | None = Field(default=None, description="Where a limit was passed: the limit.")
    actual: float | None = Field(default=None, description="Where a limit was passed: what was sent.")
