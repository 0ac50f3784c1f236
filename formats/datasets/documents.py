"""Documents: records of their shape, checked against what a document must be and against its limits."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from pydantic import ValidationError

from formats.datasets.layouts.fields import BadField, fields_of
from formats.datasets.records import Fault, Limits, Record
from formats.documents import Document
from formats.pseudonyms import pseudonyms
from models.schemas.documents import Content, DatasetLine, Names, characters_of, turns_of
from models.schemas.problems import message_of, pointer_of

MOST_NAMES: Final = 100
MOST_NAME_CHARACTERS: Final = 100
OTHER_NAMES: Final = "(others)"
UTTERANCE_HINT: Final = (
    "an utterance of a conversation stands here, and is no document of its own; read the file with layout=utterances"
)
_OF_UTTERANCES: Final = frozenset({"conversation_id", "speaker"})
_WITH_PERSONS: Final = frozenset({"user", "assistant", "system", "developer"})
"""Roles whose `name` is that of somebody; a tool's is that of a function."""


class Documents:
    """Checks records one after another, and counts what they are and what of them is passed over.

    Where `names` is `pseudonyms`, speakers become P1, P2, ... by first speech in each document.
    """

    def __init__(self, limits: Limits, names: Names = "keep") -> None:
        self.documents = 0
        self.turns = 0
        self.passed_over: Counter[str] = Counter()
        self._limits = limits
        self._pseudonyms = names == "pseudonyms"

    def checked(self, record: Record) -> Document | Fault:
        """The document that a record is, or the first thing that is wrong with it."""
        try:
            fields = fields_of(record)
            turns = _turns_in(fields)
            if turns > self._limits.turns:
                return Fault(record.place, "", self._too_many(turns))
            line = DatasetLine.model_validate(fields)
        except BadField as error:
            return error.fault(record)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            return Fault(record.place, pointer_of(first["loc"]), message_of(first))
        if line.text is not None and (line.model_extra or {}).keys() >= _OF_UTTERANCES:
            return Fault(record.place, "", UTTERANCE_HINT)
        content = line.content()
        message = self._excess(content) or _unfit(content)
        if message:
            return Fault(record.place, "", message)
        reading = record.reading
        if self._pseudonyms:
            shown = pseudonyms(_speakers(content))
            content = _renamed(content, shown)
            if reading is not None:
                reading = replace(reading, speakers={shown.get(name, name): n for name, n in reading.speakers.items()})
        self.documents += 1
        self.turns += turns_of(content)
        self._count_passed_over(line.passed_over())
        return Document(record.place, content, line.id, line.domain, line.labels or {}, line.cluster, reading)

    def _excess(self, content: Content) -> str | None:
        characters, turns = characters_of(content), turns_of(content)
        if characters > self._limits.document_characters:
            return f"the document has {characters} characters; the limit is {self._limits.document_characters}"
        return self._too_many(turns) if turns > self._limits.turns else None

    def _too_many(self, turns: int) -> str:
        return f"the document has {turns} turns; the limit is {self._limits.turns}"

    def _count_passed_over(self, names: Iterable[str]) -> None:
        """Count fields by name; whoever sends them chooses the names, so their length and number are limited."""
        for name in names:
            kept = name.replace("\x00", "?")[:MOST_NAME_CHARACTERS]
            if kept in self.passed_over or len(self.passed_over) < MOST_NAMES:
                self.passed_over[kept] += 1
            else:
                self.passed_over[OTHER_NAMES] += 1


def _turns_in(fields: Mapping[str, Any]) -> int:
    """The turns of a record, before each of them is checked, which takes much more memory than to hold them."""
    return max((len(given) for name in ("turns", "messages") if isinstance(given := fields.get(name), list)), default=0)


def _unfit(content: Content) -> str | None:
    """What of a message's calls no database keeps; everything else is checked field by field."""
    if not any(message.keys() - {"role", "content"} for message in content.get("messages", ())):
        return None
    try:
        written = json.dumps(content, ensure_ascii=False, allow_nan=False)
        written.encode()
    except (ValueError, RecursionError):
        return "a message has a number that is none, half of a surrogate pair, or lists inside lists without end"
    return "the character U+0000 cannot be stored; remove it" if "\\u0000" in written else None


def _speakers(content: Content) -> Iterator[str]:
    for turn in content.get("turns", ()):
        yield turn["speaker"]
    for message in content.get("messages", ()):
        if message.get("name") and message["role"] in _WITH_PERSONS:
            yield message["name"]


def _renamed(content: Content, shown: Mapping[str, str]) -> Content:
    if "turns" in content:
        return {"turns": [turn | {"speaker": shown[turn["speaker"]]} for turn in content["turns"]]}
    if "messages" in content:
        return {"messages": [_renamed_message(message, shown) for message in content["messages"]]}
    return content


def _renamed_message(message: dict[str, Any], shown: Mapping[str, str]) -> dict[str, Any]:
    if message.get("name") and message["role"] in _WITH_PERSONS:
        return message | {"name": shown[message["name"]]}
    return message
