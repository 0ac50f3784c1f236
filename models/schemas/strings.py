"""Strings that a client may send: whatever people write, but nothing that PostgreSQL cannot keep."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints


def _storable(value: str) -> str:
    if "\x00" in value:
        raise ValueError("the character U+0000 cannot be stored; remove it")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair stands alone; send whole characters") from None
    return value


def _said(value: str) -> str:
    if not value.strip():
        raise ValueError("nothing is said here; remove it or give it text")
    return value


def _on_one_line(value: str) -> str:
    if len(value.splitlines()) > 1 or value != value.rstrip("\r\n"):
        raise ValueError("a name stands on one line; remove the line break")
    return value


def folded(name: str) -> str:
    """The form in which names of speakers are compared and shown: NFC, no format characters, white space as one blank.

    What is left of a name of format characters alone is empty.
    """
    if not name.isascii():
        name = "".join(character for character in name if unicodedata.category(character) != "Cf")
        name = unicodedata.normalize("NFC", name)
    return " ".join(name.split())


def _speaker(value: str) -> str:
    return _said(folded(value))


Storable = Annotated[str, AfterValidator(_storable)]
Said = Annotated[Storable, AfterValidator(_said)]
"""Text that somebody said: at least one character that is no white space."""
Name = Annotated[Said, AfterValidator(_on_one_line), StringConstraints(max_length=200)]
SpeakerName = Annotated[Name, AfterValidator(_speaker)]
"""A name as `folded` gives it."""
ModelId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
LabelKey = Annotated[Said, StringConstraints(max_length=100)]
LabelValue = Annotated[Storable, StringConstraints(max_length=500)]
Labels = Annotated[dict[LabelKey, LabelValue], Field(max_length=50)]


class Request(BaseModel):
    """A body that a client sends: a field that is not known is refused, so that no typing error goes unnoticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)
