"""One conversation or text as clients send it, and the content that is kept of it."""

import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from models.schemas.strings import LabelKey, Labels, LabelValue, Name, Request, Said, SpeakerName, Storable

Content = dict[str, Any]
"""What the worker renders: ``{"text"}``, ``{"turns": [{speaker, text, start?, end?}]}`` or ``{"messages": [{role,
content, name?, tool_calls?, tool_call_id?}]}``, in which a message's `content` is null where it has no words."""
MESSAGE_EXTRAS = ("name", "tool_calls", "tool_call_id")
"""What a message may have beside its words, for the model's chat template."""
MOST_CALL_CHARACTERS = 100_000
MOST_NESTED = 60

_HALF_PAIR = re.compile("[\ud800-\udfff]")
LABEL_CHARACTERS = 3  # the colon, the space and the line end that a turn is rendered with
LATEST_SECOND = 1e12  # no recording is longer
Seconds = Annotated[float | None, Field(strict=True, ge=-LATEST_SECOND, le=LATEST_SECOND, allow_inf_nan=False)]


class Turn(Request):
    """What one speaker said."""

    speaker: SpeakerName = Field(examples=["Ana"])
    text: Said = Field(examples=["Are you coming?"])

    def times(self) -> dict[str, float]:
        """When it was said: of `start` and `end`, in seconds, those that are given."""
        return {}


class TimedTurn(Turn):
    """What one speaker said, and when: in seconds from the recording's beginning."""

    start: Seconds = None
    end: Seconds = None

    def times(self) -> dict[str, float]:
        """Those of the two that are given."""
        given = (("start", self.start), ("end", self.end))
        return {name: value for name, value in given if value is not None}


class Conversation(Request):
    """Turns in the order in which they were said."""

    turns: list[TimedTurn] = Field(min_length=1)


class TextPart(BaseModel):
    """A part of a message's words."""

    type: Literal["text"]
    text: str


def _words(content: Any) -> Any:
    """Parts of text as one text; None for words that are none."""
    if isinstance(content, list):
        content = "\n".join(_words_of_part(part, number) for number, part in enumerate(content, start=1))
    return None if isinstance(content, str) and not content.strip() else content


Words = Annotated[Storable | None, BeforeValidator(_words, json_schema_input_type=str | list[TextPart] | None)]


def _words_of_part(part: Any, number: int) -> str:
    kind = part.get("type") if isinstance(part, dict) else type(part).__name__
    if kind != "text":
        raise ValueError(f"part {number} is of the type {str(kind)[:60]!r}, and only words are read; leave it out")
    if not isinstance(part.get("text"), str):
        raise ValueError(f"part {number} is of the type 'text' and has no `text`")
    return str(part["text"])


def _kept_calls(calls: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    """Calls as they are kept: with arguments as JSON, since a store of JSON does not keep the order of members."""
    if calls is None:
        return None
    if _nested_deeper(calls, MOST_NESTED):
        raise ValueError(f"lists and objects are nested in the calls more than {MOST_NESTED} deep")
    try:
        kept = [_with_json(call) for call in calls]
        written = json.dumps(kept, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise ValueError("the calls have a number that JSON cannot carry") from None
    if len(written) > MOST_CALL_CHARACTERS:
        raise ValueError(f"the calls have {len(written)} characters as JSON; the limit is {MOST_CALL_CHARACTERS}")
    if "\\u0000" in written.replace("\\\\", "") or _HALF_PAIR.search(written):
        raise ValueError("the calls have a character that cannot be stored; remove it")
    return kept


def _nested_deeper(value: Any, most: int) -> bool:
    """Whether a JSON value has more than `most` lists and objects inside each other."""
    level = [value]
    for _ in range(most + 1):
        holders = (held.values() if isinstance(held, dict) else held for held in level if isinstance(held, dict | list))
        level = [inner for holder in holders for inner in holder]
    return bool(level)


def _with_json(call: dict[str, Any]) -> dict[str, Any]:
    """A call; some write the members of the function as those of the call itself."""
    function = call.get("function")
    if isinstance(function, dict):
        return {**call, "function": _with_json(function)}
    arguments = call.get("arguments")
    if not isinstance(arguments, dict):
        return call
    return {**call, "arguments": json.dumps(arguments, ensure_ascii=False, allow_nan=False)}


class Message(Request):
    """One chat message; a model that has a chat template reads messages through it."""

    role: Annotated[Said, Field(max_length=50, examples=["user"])]
    content: Words = Field(
        None,
        examples=["Are you coming?"],
        description="A text, or parts of the type `text`, which become its lines; null for a message without words.",
    )
    name: Name | None = None
    tool_calls: Annotated[list[dict[str, Any]] | None, Field(max_length=100), AfterValidator(_kept_calls)] = None
    tool_call_id: Annotated[Storable | None, Field(max_length=500)] = None

    def kept(self) -> dict[str, Any]:
        """What is kept of it. Nothing beside role and words where nothing was given."""
        beside = {name: value for name in MESSAGE_EXTRAS if (value := getattr(self, name))}
        return {"role": self.role, "content": self.content, **beside}


TranscriptFormat = Literal[
    "auto", "webvtt", "srt", "sbv", "lines", "whatsapp", "telegram", "discord", "slack", "otter", "teams", "meet",
    "zoom", "whisper", "aws", "deepgram", "assemblyai", "openai", "chat", "elan", "rttm",
]  # fmt: skip
Names = Annotated[
    Literal["keep", "pseudonyms"],
    Field(description="`pseudonyms`: speakers become P1, P2, ... by first speech, and no name is stored."),
]


class Transcript(Request):
    """A transcript as other programs write it; the turns are read from it."""

    format: TranscriptFormat = Field("auto", description="`auto` tells it by the content's shape.")
    content: Said
    speakers: (
        Annotated[list[SpeakerName], Field(max_length=1_000)]
        | Annotated[dict[SpeakerName, SpeakerName | None], Field(max_length=1_000)]
        | None
    ) = Field(
        None,
        description="Who speaks, where names stand before colons: all names, or a table from aliases to names, in "
        "which null says that an alias is no name.",
    )
    names: Names = "keep"


def content_of_turns(turns: Sequence[Turn]) -> Content:
    """The content that is kept of turns, without times that are not given."""
    return {"turns": [{"speaker": turn.speaker, "text": turn.text, **turn.times()} for turn in turns]}


def content_of_messages(messages: Sequence[Message]) -> Content:
    """The content that is kept of chat messages."""
    return {"messages": [message.kept() for message in messages]}


def characters_of(content: Content) -> int:
    """How many characters a model is given to read, labels and separators included."""
    if "text" in content:
        return len(content["text"])
    if "turns" in content:
        return sum(len(turn["speaker"]) + len(turn["text"]) + LABEL_CHARACTERS for turn in content["turns"])
    return sum(
        len(entry["role"]) + len(entry["content"] or "") + LABEL_CHARACTERS + _beside(entry)
        for entry in content["messages"]
    )


def _beside(entry: dict[str, Any]) -> int:
    """About how many characters a template writes of a message's calls."""
    return len(json.dumps(entry["tool_calls"], ensure_ascii=False)) if "tool_calls" in entry else 0


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
    """A turn in a data set: `start` and `end` are kept where they are numbers (of seconds).

    What else it carries (an emotion, a time of day) is counted and passed over.
    """

    model_config = ConfigDict(extra="allow")
    TIMES: ClassVar[tuple[str, ...]] = ("start", "end")

    def times(self) -> dict[str, float]:
        """Of `start` and `end` those that are numbers."""
        given = self.model_extra
        if not given:
            return {}
        return {name: float(given[name]) for name in self.TIMES if _is_number(given.get(name))}

    def passed_over(self) -> list[str]:
        """Names of what is not kept."""
        kept = self.times()
        return [name for name in self.model_extra or () if name not in kept]


class DatasetMessage(Message):
    """A message in a data set; what else it carries (a weight, a time) is counted and passed over."""

    model_config = ConfigDict(extra="allow")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LATEST_SECOND


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
    messages: Annotated[list[DatasetMessage] | None, Field(min_length=1)] = None
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
        """Names of fields no data set's line has, each once: the line's in the order sent, then those of its turns and
        messages (`turns.NAME`, `messages.NAME`).
        """
        of_turns = (f"turns.{name}" for turn in self.turns or () if turn.model_extra for name in turn.passed_over())
        of_messages = (f"messages.{name}" for message in self.messages or () for name in message.model_extra or ())
        return list(dict.fromkeys([*(self.model_extra or ()), *of_turns, *of_messages]))


class DocumentFields(Request):
    """What may be said about a document besides its content."""

    domain: Annotated[Name | None, Field(description="What kind of text it is, for filters and groups.")] = None
    external_id: Annotated[Storable | None, Field(max_length=500, description="Your own name for it.")] = None
    labels: Labels = Field({}, description="Strings to filter by.")
