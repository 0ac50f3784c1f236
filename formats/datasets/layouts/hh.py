"""HH-RLHF and other pairs of a chosen and a rejected conversation: texts with `Human:` and `Assistant:` or messages."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from formats.datasets.layouts.fields import BadField, fields_of, first_id, passed_over, value_of
from formats.datasets.layouts.messages import Messages, words_of
from formats.datasets.layouts.preference import Preference
from formats.datasets.layouts.sharegpt import ShareGPT
from formats.datasets.records import Found, Limits, Record
from formats.notes import Notes

CHOSEN: Final = "chosen"
REJECTED: Final = "rejected"
_SPEAKS: Final = re.compile(r"(?:\A\s*|\n\n)(Human|Assistant):[ \t]?")
"""Only a paragraph's first word says who speaks; elsewhere it is text."""
_ROLES: Final = {"Human": "user", "Assistant": "assistant"}
_IDS: Final = ("id", "prompt_id", "conversation_id")
_DOCUMENT: Final = ("domain", "labels", "cluster")
_BEFORE: Final = ("prompt", "question", "conversations")
"""Fields that may have what both conversations begin with."""


class HH:
    """Reads of each record the chosen conversation, the rejected one, or both."""

    name: ClassVar[str] = "hh"
    gathers: ClassVar[bool] = False

    def __init__(self, limits: Limits, notes: Notes, branches: str) -> None:
        self._notes = notes
        self._preference = Preference(notes, branches)
        self._messages = Messages(notes)
        self._sharegpt = ShareGPT(limits, notes, branches)

    def take(self, record: Record) -> Found:
        """The conversations of a record that are asked for."""
        try:
            fields = fields_of(record)
            before, read = self._before(fields)
            wanted = self._preference.wanted(CHOSEN, REJECTED)
            talks = {name: self._conversation(fields, name, before) for name in wanted}
        except BadField as error:
            yield error.fault(record)
            return
        document = {name: value_of(fields[name]) for name in _DOCUMENT if fields.get(name) is not None}
        document |= {"id": first_id(fields, *_IDS)}
        document |= passed_over(fields, {*_IDS, *_DOCUMENT, CHOSEN, REJECTED, *read}, self._notes)
        yield from self._preference.documents(record, document, talks)

    def finish(self) -> Found:
        """Nothing is left."""
        yield from ()

    def close(self) -> None:
        """Nothing was kept."""

    def _before(self, fields: Mapping[str, Any]) -> tuple[str | list[Any], list[str]]:
        """What both conversations begin with, where it stands apart, and the fields that have it."""
        name = next((name for name in _BEFORE if fields.get(name) not in (None, "", [])), None)
        if name is None:
            return [], []
        system = fields.get("system")
        system = [{"role": "system", "content": system}] if isinstance(system, str) and system.strip() else []
        read = [name, "system"] if system else [name]
        given = value_of(fields[name])
        if not isinstance(given, str):
            return system + self._listed(given, f"/{name}"), read
        if _SPEAKS.match(given):
            return given, [name]
        return [*system, {"role": "user", "content": given}], read

    def _conversation(self, fields: Mapping[str, Any], name: str, before: str | list[Any]) -> list[Any]:
        given = value_of(fields.get(name))
        if isinstance(given, str):
            return self._of_text(given, name, before)
        if given is None:
            raise BadField(f"/{name}", "give the conversation as text with `Human:` and `Assistant:`, or as messages")
        messages = self._listed(given, f"/{name}")
        if isinstance(before, str):
            before = self._spoken(before, "prompt")
        begins = bool(messages) and messages[0].get("role") in ("user", "system")
        return messages if begins else [*before, *messages]

    def _of_text(self, text: str, name: str, before: str | list[Any]) -> list[Any]:
        if isinstance(before, str):
            return self._spoken(text if _SPEAKS.match(text) else before + text, name)
        if _SPEAKS.match(text):
            return self._spoken(text, name)
        if not before:
            raise BadField(f"/{name}", "it does not begin with `Human:` or `Assistant:`, and there is no `prompt`")
        return [*before, {"role": "assistant", "content": words_of(text, self._notes)}]

    def _spoken(self, text: str, name: str) -> list[dict[str, Any]]:
        """The messages of a text in which paragraphs begin with who speaks."""
        marks = list(_SPEAKS.finditer(text))
        if not marks or text[: marks[0].start()].strip():
            raise BadField(f"/{name}", "it does not begin with `Human:` or `Assistant:`")
        if marks[0][1] == "Assistant":
            self._notes.say("conversations begin with `Assistant:`, and are read so")
        ends = [mark.start() for mark in marks[1:]] + [len(text)]
        said = [(_ROLES[mark[1]], text[mark.end() : end].strip()) for mark, end in zip(marks, ends, strict=True)]
        return [{"role": role, "content": words_of(words, self._notes)} for role, words in said]

    def _listed(self, given: Any, pointer: str) -> list[Any]:
        entries: Sequence[Any] = [given] if isinstance(given, Mapping) else given
        if isinstance(entries, list) and entries and isinstance(entries[0], Mapping) and "from" in entries[0]:
            return self._sharegpt.read(entries, pointer)
        return self._messages.read(entries, pointer)
