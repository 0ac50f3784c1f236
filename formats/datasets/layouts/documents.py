"""Documents: one a record, with the fields that a document has."""

from collections.abc import Mapping
from typing import Any, ClassVar

from formats.datasets.layouts.columns import columns_of
from formats.datasets.layouts.fields import BadField, fields_of, shown
from formats.datasets.layouts.messages import Messages, have_parts
from formats.datasets.records import Fault, Found, Limits, Record
from formats.notes import Notes


class Documents:
    """Gives each record as it is; of messages in parts their words. A table of utterances is refused."""

    name: ClassVar[str] = "documents"
    gathers: ClassVar[bool] = False

    def __init__(self, limits: Limits, notes: Notes, branches: str) -> None:  # noqa: ARG002
        self._notes = notes
        self._messages = Messages(notes, strict=True)
        self._first = True

    def take(self, record: Record) -> Found:
        """The record as a document."""
        try:
            fields = fields_of(record)
            messages = fields.get("messages")
            if messages and have_parts(messages):
                record = Record(record.place, {**fields, "messages": self._messages.read(messages)}, record.reading)
        except BadField as error:
            yield error.fault(record)
            return
        if self._first:
            self._first = False
            refused = self._look_for_utterances(record, fields)
            if refused is not None:
                yield refused
                return
        yield record

    def finish(self) -> Found:
        """Nothing is left."""
        yield from ()

    def close(self) -> None:
        """Nothing was kept."""

    def _look_for_utterances(self, record: Record, fields: Mapping[str, Any]) -> Fault | None:
        """The fault of a table of utterances; of what may be one is said that it is not taken for one."""
        if "text" not in fields or "turns" in fields or "messages" in fields:
            return None
        columns = columns_of(fields)
        if not columns.missing():
            conversation, speaker = (shown(columns.found[what]) for what in ("conversation", "speaker"))
            message = (
                f"the rows have {conversation}, {speaker} and a text, so each is an utterance and no document; send "
                "them with `layout=utterances`, which gathers them into conversations"
            )
            return Fault(record.place, "", message, last=True)
        if columns.found.get("speaker") == "speaker":
            self._notes.say(
                "each row is a document of its own, though it has a `speaker`; where rows are turns of one "
                "conversation, give them a `conversation_id`"
            )
        return None
