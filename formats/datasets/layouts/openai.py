"""OpenAI's chat files and those of the same shape: fine-tuning, batch and preference lines, LMSYS-Chat and WildChat."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from formats.datasets.layouts.fields import BadField, fields_of, first_id, is_list_of, label_of, passed_over, value_of
from formats.datasets.layouts.messages import Messages
from formats.datasets.layouts.preference import Preference
from formats.datasets.records import Found, Limits, Record
from formats.notes import Notes

IDS: Final = ("id", "conversation_id", "conversation_hash", "custom_id")
"""Fields that may be the document's id; the first that is there is."""
LISTS: Final = ("messages", "conversation", "conversations")
"""Fields that may be the list of messages."""
OUTER: Final = (("body", "messages"), ("body", "input"), ("input", "messages"))
"""Objects that a record may have the messages in, and their name there."""
_OUTPUTS: Final = ("preferred_output", "non_preferred_output")
_LABELS: Final = ("model", "language")
_DOCUMENT: Final = ("domain", "cluster")


class OpenAI:
    """Reads one conversation a record; of a preference line the preferred output, the other, or both."""

    name: ClassVar[str] = "openai"
    gathers: ClassVar[bool] = False

    def __init__(self, limits: Limits, notes: Notes, branches: str) -> None:  # noqa: ARG002
        self._notes = notes
        self._preference = Preference(notes, branches)
        self._messages = Messages(notes)

    def take(self, record: Record) -> Found:
        """The conversation of a record."""
        try:
            fields = fields_of(record)
            given, pointer, others = _messages_of(fields, self._notes)
            messages = self._messages.read(given, pointer)
            document = {name: fields[name] for name in _DOCUMENT if fields.get(name) is not None}
            document |= {"id": first_id(fields, *IDS), "labels": _labels(fields)} | others
            if fields.get(_OUTPUTS[0]) is None:
                yield Record(record.place, document | {"messages": messages})
                return
            wanted = self._preference.wanted(*_OUTPUTS)
            talks = {name: [*messages, *self._messages.read(fields.get(name) or [], f"/{name}")] for name in wanted}
        except BadField as error:
            yield error.fault(record)
            return
        yield from self._preference.documents(record, document, talks)

    def finish(self) -> Found:
        """Nothing is left."""
        yield from ()

    def close(self) -> None:
        """Nothing was kept."""


def _messages_of(fields: Mapping[str, Any], notes: Notes) -> tuple[Any, str, dict[str, Any]]:
    """The messages of a record, where they stand, and the fields that are passed over."""
    read = {*IDS, *_LABELS, *_DOCUMENT, "labels", *_OUTPUTS}
    for name in LISTS:
        if fields.get(name) is not None:
            return fields[name], f"/{name}", passed_over(fields, {*read, name}, notes)
    for outer, name in OUTER:
        inside = value_of(fields.get(outer))
        if isinstance(inside, Mapping) and inside.get(name) is not None:
            others = passed_over(fields, {*read, outer}, notes)
            others |= passed_over(inside, {name}, notes, f"{outer}.")
            return inside[name], f"/{outer}/{name}", others
    raise BadField("", "no field has messages; call it `messages`, a list of objects with a `role` and its `content`")


def _labels(fields: Mapping[str, Any]) -> Any:
    """The labels that are given, and the model and the language where they are texts."""
    given = value_of(fields.get("labels")) or {}
    if not isinstance(given, Mapping):
        return given
    told = {name: text for name in _LABELS if isinstance(fields.get(name), str) and (text := label_of(fields[name]))}
    return told | dict(given)


def has_messages(fields: Mapping[str, Any]) -> bool:
    """Whether the record has messages in a place that is not of a plain document's line."""
    if any(is_list_of(fields.get(name), "role", "content") for name in LISTS[1:]):
        return True
    insides = ((value_of(fields.get(outer)), name) for outer, name in OUTER)
    return any(isinstance(inside, Mapping) and is_list_of(inside.get(name), "role") for inside, name in insides)
