"""ConvoKit: the utterances of a corpus, gathered by conversation; what is known of conversations becomes labels."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from formats.datasets.layouts.conversations import Conversations, Utterance, line_of
from formats.datasets.layouts.fields import (
    MOST_LABEL_KEY,
    MOST_LABELS,
    BadField,
    counted,
    fields_of,
    first_id,
    id_of,
    is_empty,
    label_of,
    value_of,
)
from formats.datasets.layouts.order import moment_of
from formats.datasets.records import Found, Limits, Record
from formats.notes import Notes

IDS: Final = ("id",)
SPEAKERS: Final = ("speaker", "user")
CONVERSATIONS: Final = ("conversation_id", "root")
REPLIES: Final = ("reply-to", "reply_to")
_READ: Final = frozenset({*IDS, *SPEAKERS, *CONVERSATIONS, *REPLIES, "text", "timestamp", "meta"})
_META: Final = "meta."


class ConvoKit:
    """Reads one utterance a record, as `utterances.jsonl` of a corpus has them. Speakers are named by their ids."""

    name: ClassVar[str] = "convokit"
    gathers: ClassVar[bool] = True

    def __init__(self, limits: Limits, notes: Notes, branches: str) -> None:  # noqa: ARG002
        self._notes = notes
        self._conversations = Conversations(limits, notes)
        self._described = False

    def take(self, record: Record) -> Found:
        """Keep the utterance; or its fault."""
        try:
            fields = fields_of(record)
            conversation = first_id(fields, *CONVERSATIONS)
            if conversation is None:
                raise BadField("/conversation_id", "the utterance does not say which conversation it is of")
            said = self._utterance(record, fields)
        except BadField as error:
            yield error.fault(record)
            return
        if said is None:
            self._notes.say("utterances without text are left out", line=line_of(record.place))
            return
        fault = self._conversations.add(record.place, conversation, said)
        if fault is not None:
            yield fault

    def describe(self, conversation: str, given: Any) -> None:
        """Take labels from what `conversations.json` has under the id of a conversation."""
        self._described = True
        meta = given.get("meta", given) if isinstance(given, Mapping) else {}
        labels: dict[str, str] = {}
        others: list[str] = []
        for key, value in meta.items() if isinstance(meta, Mapping) else ():
            label = label_of(value)
            fits = key.strip() and len(key) <= MOST_LABEL_KEY and len(labels) < MOST_LABELS
            if label is not None and fits:
                labels[key] = label
            elif value is not None and key != "vectors":
                others.append(_META + key)
        self._conversations.describe(conversation, {"labels": labels, "others": others})

    def finish(self) -> Found:
        """Every conversation."""
        self._notes.say("speakers are named by their ids in the corpus")
        yield from self._conversations.documents()
        silent = self._conversations.described_in_vain() if self._described else 0
        if silent:
            self._notes.say(f"of {counted(silent, 'conversation')} that the corpus describes there are no utterances")

    def close(self) -> None:
        """Remove what was kept on disk."""
        self._conversations.close()

    def _utterance(self, record: Record, fields: Mapping[str, Any]) -> Utterance | None:
        text = fields.get("text")
        if is_empty(text):
            return None
        if not isinstance(text, str):
            raise BadField("/text", "what is said has to be text")
        speaker = next((found for name in SPEAKERS if (found := _speaker(fields.get(name))) is not None), None)
        if speaker is None:
            raise BadField("/speaker", "the utterance does not say who speaks")
        time = fields.get("timestamp")
        moment = None if is_empty(time) else moment_of(time)
        if moment is None and not is_empty(time):
            sentence = "times that are neither numbers nor HH:MM:SS nor ISO 8601 are not read"
            self._notes.say(sentence, line=line_of(record.place))
        return Utterance(
            speaker, text, moment, None, first_id(fields, *IDS), first_id(fields, *REPLIES), others=_others(fields)
        )


def _speaker(given: Any) -> str | None:
    return id_of(given.get("id")) if isinstance(given, Mapping) else id_of(given)


def _others(fields: Mapping[str, Any]) -> list[str]:
    """Fields that are passed over; an empty list of vectors is nothing that anybody would miss."""
    names = [name for name in fields if name not in _READ and not (name == "vectors" and not fields[name])]
    meta = value_of(fields.get("meta"))
    return names + [_META + key for key in meta] if isinstance(meta, Mapping) else names
