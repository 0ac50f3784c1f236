"""One conversation or text as clients send it, and the content that is kept of it."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from models.schemas.strings import LabelKey, Labels, LabelValue, Name, Request, Said, Storable

Content = dict[str, Any]
"""``{"text"}``, ``{"turns": [{speaker, text}]}`` or ``{"messages": [{role, content}]}``: what the worker renders."""

LABEL_CHARACTERS = 3  # the colon, the space and the line end that a turn is rendered with


class Turn(Request):
    """What one speaker said."""

    speaker: Name = Field(examples=["Ana"])
    text: Said = Field(examples=["Are you coming?"])


class Conversation(Request):
    """Turns in the order in which they were said."""

    turns: list[Turn] = Field(min_length=1)


class Message(Request):
    """One chat message; a model that has a chat template reads messages through it."""

    role: Annotated[Said, Field(max_length=50, examples=["user"])]
    content: Said = Field(examples=["Are you coming?"])


class Transcript(Request):
    """A transcript as other programs write it; the turns are read from it."""

    format: Literal["webvtt", "srt", "lines"] = Field(description="`lines` is `Name: what was said`, one a line.")
    content: Said


def content_of_transcript(transcript: Transcript) -> Content:
    """The content that is kept of a transcript: its turns.

    Raises `attention.errors.BadTranscript` with the line that does not follow the format.
    """
    from attention.text.transcripts import read_transcript  # here, because it loads what only transcripts need

    turns = read_transcript(transcript.content, transcript.format)
    return {"turns": [{"speaker": turn.speaker, "text": turn.text} for turn in turns]}


def content_of_turns(turns: Sequence[Turn]) -> Content:
    """The content that is kept of turns."""
    return {"turns": [{"speaker": turn.speaker, "text": turn.text} for turn in turns]}


def content_of_messages(messages: list[Message]) -> Content:
    """The content that is kept of chat messages."""
    return {"messages": [{"role": message.role, "content": message.content} for message in messages]}


def characters_of(content: Content) -> int:
    """How many characters a model is given to read, labels and separators included."""
    if "text" in content:
        return len(content["text"])
    if "turns" in content:
        return sum(len(turn["speaker"]) + len(turn["text"]) + LABEL_CHARACTERS for turn in content["turns"])
    return sum(len(entry["role"]) + len(entry["content"]) + LABEL_CHARACTERS for entry in content["messages"])


def turns_of(content: Content) -> int:
    """How many turns a document has; 0 for a plain text."""
    return len(content.get("turns") or content.get("messages") or ())


def exactly_one(fields: dict[str, Any]) -> None:
    """Refuse a request that gives none, or more than one, of the fields that exclude each other.

    Raises ValueError.
    """
    given = [f"`{name}`" for name, value in fields.items() if value is not None]
    if len(given) != 1:
        known = ", ".join(f"`{name}`" for name in fields)
        raise ValueError(
            f"give exactly one of {known}; {'none was' if not given else ' and '.join(given) + ' were'} given"
        )


class DatasetTurn(Turn):
    """A turn in a data set; what else it carries (a time, an emotion) is counted and passed over."""

    model_config = ConfigDict(extra="allow")


class DatasetLine(Request):
    """One line of a data set: exactly one of `text`, `turns` or `messages`.

    Data sets come from elsewhere and carry fields of their own. Those are passed over, and the answer counts them.
    """

    model_config = ConfigDict(extra="allow")
    INPUTS: ClassVar[tuple[str, ...]] = ("text", "turns", "messages")

    id: Annotated[Storable | None, Field(max_length=500)] = None
    domain: Name | None = None
    text: Said | None = None
    turns: Annotated[list[DatasetTurn] | None, Field(min_length=1)] = None
    messages: Annotated[list[Message] | None, Field(min_length=1)] = None
    labels: Annotated[dict[LabelKey, LabelValue] | None, Field(max_length=50)] = None
    cluster: Name | None = None

    @model_validator(mode="after")
    def _one_input(self) -> Self:
        exactly_one({name: getattr(self, name) for name in self.INPUTS})
        return self

    def content(self) -> Content:
        """What is kept of the input."""
        if self.turns is not None:
            return content_of_turns(self.turns)
        if self.messages is not None:
            return content_of_messages(self.messages)
        return {"text": self.text}

    def passed_over(self) -> list[str]:
        """Names of fields no data set's line has, each once, in the order sent; then those of turns: `turns.NAME`."""
        of_turns = [f"turns.{name}" for turn in self.turns or () for name in turn.model_extra or ()]
        return list(dict.fromkeys([*(self.model_extra or ()), *of_turns]))


class DocumentFields(Request):
    """What may be said about a document besides its content."""

    domain: Annotated[Name | None, Field(description="What kind of text it is, for filters and groups.")] = None
    external_id: Annotated[Storable | None, Field(max_length=500, description="Your own name for it.")] = None
    labels: Labels = Field({}, description="Strings to filter by.")
