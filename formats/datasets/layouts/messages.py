"""Chat messages as people keep them, made into those of a document: what is said, by which role, with which calls."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from formats.datasets.layouts.fields import BadField, value_of
from formats.notes import Notes, quoted
from models.schemas.documents import MESSAGE_EXTRAS

PLAIN: Final = frozenset({"role", "content"})
_READ: Final = frozenset({"role", "content", *MESSAGE_EXTRAS, "function_call", "refusal"})
_WORDS: Final = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
"""Kinds of parts that are words, and the member that has them."""


def are_plain(messages: Any) -> bool:
    """Whether all of them have a role and words and nothing else."""
    given = value_of(messages)
    return isinstance(given, list) and all(
        isinstance(each, Mapping) and each.keys() <= PLAIN and isinstance(each.get("content"), str) for each in given
    )


def have_parts(messages: Any) -> bool:
    """Whether the words of any stand in parts, or in a member that no document's message has."""
    given = value_of(messages)
    return isinstance(given, list) and any(
        isinstance(each, Mapping) and (isinstance(each.get("content"), list) or "function_call" in each)
        for each in given
    )


class Messages:
    """Reads messages as the chat interface of OpenAI has them; what is decided is noted.

    `strict` leaves a message without words as it is, for whoever checks the document.
    """

    def __init__(self, notes: Notes, *, strict: bool = False) -> None:
        self._notes = notes
        self._strict = strict

    def read(self, given: Any, pointer: str = "/messages") -> list[Any]:
        """The messages of a list, or of a single one. Raises BadField."""
        messages = value_of(given)
        if isinstance(messages, Mapping):
            messages = [messages]
        if not isinstance(messages, list):
            raise BadField(pointer, "give a list of messages, each with a `role` and its `content`")
        return [self._message(each, f"{pointer}/{place}") for place, each in enumerate(messages)]

    def _message(self, given: Any, pointer: str) -> dict[str, Any]:
        if not isinstance(given, Mapping):
            raise BadField(pointer, "give an object with a `role` and its `content`")
        role = given.get("role")
        message: dict[str, Any] = {"role": role, "content": self._words(given, pointer)}
        message |= {name: value for name in MESSAGE_EXTRAS if (value := given.get(name)) not in (None, [])}
        call = given.get("function_call")
        if isinstance(call, Mapping) and "tool_calls" not in message:
            self._notes.say("a `function_call` is read as the one entry of `tool_calls`")
            message["tool_calls"] = [{"type": "function", "function": dict(call)}]
        if role == "function":
            self._notes.say("the role `function` is read as `tool`, which has taken its place")
            message["role"] = "tool"
        for name in [name for name in MESSAGE_EXTRAS if message.get(name)]:
            self._notes.say(f"`{name}` of messages is kept for the model's chat template, where it has a place for it")
        return message | {name: None for name in given if name not in _READ}

    def _words(self, given: Mapping[str, Any], pointer: str) -> Any:
        content = given.get("content")
        if isinstance(content, Sequence) and not isinstance(content, str):
            content = self._joined(content, pointer)
        if content is None and isinstance(given.get("refusal"), str) and given["refusal"].strip():
            self._notes.say("a `refusal` is read as what is said where there are no other words")
            return given["refusal"]
        if isinstance(content, str) and given.get("tool_calls") and not content.strip():
            return None  # some programs write an empty text beside a call
        return content if self._strict else words_of(content, self._notes)

    def _joined(self, parts: Iterable[Any], pointer: str) -> str | None:
        """The words of a content that comes in parts."""
        words: list[str] = []
        for place, part in enumerate(parts):
            if isinstance(part, str):
                words.append(part)
                continue
            if not isinstance(part, Mapping):
                raise BadField(f"{pointer}/content/{place}", "give a text, or an object with its `type`")
            kind = str(part.get("type") or ("text" if "text" in part else "unknown"))
            said = part.get(_WORDS.get(kind, ""))
            if isinstance(said, str):
                words.append(said)
            else:
                self._notes.say(f"parts of messages that are no text ({quoted(kind)}) are left out")
        return "\n".join(words) or None


def words_of(content: Any, notes: Notes) -> Any:
    """What is said in a message: None for a text without words, which is noted."""
    if content is not None and (not isinstance(content, str) or content.strip()):
        return content
    notes.say("messages without words are kept as such, and have no tokens but what a chat template writes for them")
    return None
