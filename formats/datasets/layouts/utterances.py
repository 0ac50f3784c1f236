"""Utterances: a table with one utterance a row, whose rows are gathered by conversation."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from formats.datasets.layouts.columns import Columns, columns_of, names_of
from formats.datasets.layouts.conversations import Conversations, Utterance, line_of
from formats.datasets.layouts.fields import LABEL, BadField, fields_of, id_of, is_empty, label_of, number_of, value_of
from formats.datasets.layouts.order import Moment, moment_of
from formats.datasets.records import Found, Limits, Record
from formats.notes import Notes, quoted

UNKNOWN: Final = "unknown"
"""Who speaks where a row names nobody."""
MOST_SHAPES: Final = 1_000
MOST_NAMES: Final = 10_000
"""So many shapes of rows are remembered, each with so many characters in the names of its fields."""
_WHOLE_FILE: Final = ""
_ROLES: Final = {
    "conversation": "the conversation",
    "speaker": "the speaker",
    "text": "what is said",
    "time": "the time",
    "date": "the date",
    "end": "the time of its end",
    "reply": "what is answered",
    "id": "the utterance's id",
    "number": "the number of the turn",
}


class Utterances:
    """Reads one utterance a row. Rows of a conversation need not stand together."""

    name: ClassVar[str] = "utterances"
    gathers: ClassVar[bool] = True

    def __init__(self, limits: Limits, notes: Notes, branches: str) -> None:  # noqa: ARG002
        self._notes = notes
        self._conversations = Conversations(limits, notes)
        self._shapes: dict[tuple[str, ...], Columns] = {}
        self._said: set[str] = set()
        self._named = False

    def take(self, record: Record) -> Found:
        """Keep the utterance of a row; or its fault."""
        try:
            fields = fields_of(record)
            columns = self._columns(fields)
            conversation = self._conversation(fields, columns)
            said = self._utterance(record, fields, columns)
        except BadField as error:
            yield error.fault(record)
            return
        if said is None:
            self._notes.say("rows without text are left out", line=line_of(record.place))
            return
        fault = self._conversations.add(record.place, conversation, said)
        if fault is not None:
            yield fault

    def finish(self) -> Found:
        """Every conversation."""
        yield from self._conversations.documents()

    def close(self) -> None:
        """Remove what was kept on disk."""
        self._conversations.close()

    def _columns(self, fields: Mapping[str, Any]) -> Columns:
        names = tuple(fields)
        columns = self._shapes.get(names)
        if columns is None:
            columns = columns_of(names)
            if len(self._shapes) < MOST_SHAPES and sum(map(len, names)) <= MOST_NAMES:
                self._shapes[names] = columns
            self._say(columns)
        if "text" not in columns.found or "speaker" not in columns.found:
            missing = "speaker" if "text" in columns.found else "text"
            known = ", ".join(f"`{name}`" for name in names_of(missing)[:6])
            raise BadField("", f"no field says {_ROLES[missing]}; call it {known}")
        return columns

    def _say(self, columns: Columns) -> None:
        """Say what was taken for what, once for each way in which it is."""
        taken = [f"{quoted(columns.found[what])} for {role}" for what, role in _ROLES.items() if what in columns.found]
        sentence = f"an utterance a row: {', '.join(taken)}"
        if columns.missing() or sentence in self._said or len(self._said) >= MOST_SHAPES:
            return
        self._said.add(sentence)
        self._notes.say(sentence)

    def _conversation(self, fields: Mapping[str, Any], columns: Columns) -> str:
        name = columns.found.get("conversation")
        if name is None:
            known = ", ".join(f"`{each}`" for each in names_of("conversation")[:3])
            if self._named:
                raise BadField("", f"no field says which conversation the row is of; call it {known}")
            self._notes.say(f"no field ({known}) says which conversation a row is of: all rows are one", count=0)
            return _WHOLE_FILE
        self._named = True
        conversation = id_of(fields[name])
        if conversation is None:
            raise BadField(f"/{name}", "the row does not say which conversation it is of")
        return conversation

    def _utterance(self, record: Record, fields: Mapping[str, Any], columns: Columns) -> Utterance | None:
        cells = {what: cell for what, name in columns.found.items() if not is_empty(cell := fields[name])}
        if "text" not in cells:
            return None
        if not isinstance(cells["text"], str):
            raise BadField(f"/{columns.found['text']}", "what is said has to be text")
        if "speaker" not in cells:
            self._notes.say("rows that name no speaker are of the speaker {}", UNKNOWN, line=line_of(record.place))
        speaker = id_of(cells.get("speaker", UNKNOWN))
        if speaker is None:
            raise BadField(f"/{columns.found['speaker']}", "the speaker has to be a name or a number")
        return Utterance(
            speaker,
            cells["text"],
            self._moment(record, _time(cells), columns) if "time" in cells else None,
            self._moment(record, cells["end"], columns) if "end" in cells else None,
            id_of(cells.get("id")),
            id_of(cells.get("reply")),
            _number(cells["number"]) if "number" in cells else None,
            _facts(fields, cells, columns),
            columns.others,
        )

    def _moment(self, record: Record, cell: Any, columns: Columns) -> Moment | None:
        moment = moment_of(cell, of_recording=columns.of_recording)
        if moment is None:
            sentence = "times that are neither numbers nor HH:MM:SS nor ISO 8601 are not read"
            self._notes.say(sentence, line=line_of(record.place))
        return moment


def _time(cells: Mapping[str, Any]) -> Any:
    """The time, with its date where that stands in a column of its own."""
    return f"{cells['date']} {cells['time']}" if "date" in cells else cells["time"]


def _number(cell: Any) -> int | None:
    number = number_of(cell)
    return int(number) if number is not None and number.is_integer() else None


def _facts(fields: Mapping[str, Any], cells: Mapping[str, Any], columns: Columns) -> dict[str, str]:
    """What the row says of its conversation: its domain, its cluster and its labels."""
    facts = {what: cells[what] for what in ("domain", "cluster") if what in cells}
    facts |= {name: fields[name] for name in columns.labels if not is_empty(fields[name])}
    if "labels" in cells:
        together = value_of(cells["labels"])
        if not isinstance(together, Mapping):
            raise BadField("/labels", "give an object of strings")
        facts |= {LABEL + key: value for key, value in together.items() if value is not None}
    for name, value in facts.items():
        text = label_of(value)
        if text is None:
            raise BadField(f"/{name}", "it has to be text of at most 500 characters")
        facts[name] = text
    return facts
