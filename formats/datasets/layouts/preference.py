"""Preference: records that hold a conversation that people preferred and one that they rejected."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from formats.datasets.records import Found, Record
from formats.notes import Notes, quoted

REJECTED: Final = "rejected"
ALL: Final = "all"
LABEL: Final = "preference"
MOST_CLUSTER: Final = 200


class Preference:
    """Gives of each pair the conversations that are asked for, and says once what the others are."""

    def __init__(self, notes: Notes, branches: str) -> None:
        self._notes = notes
        self.branches = branches

    def wanted(self, preferred: str, rejected: str) -> list[str]:
        """Which of two conversations are asked for, by their names."""
        if self.branches == ALL:
            told = f"{quoted(preferred)} and {quoted(rejected)} are both read, with the label `{LABEL}`"
            wanted = [preferred, rejected]
        else:
            read, other = (rejected, preferred) if self.branches == REJECTED else (preferred, rejected)
            told = f"{quoted(read)} is read; `branches` can ask for {quoted(other)} or for both"
            wanted = [read]
        self._notes.say(told, count=0)
        return wanted

    def documents(self, record: Record, fields: Mapping[str, Any], talks: Mapping[str, Sequence[Any]]) -> Found:
        """The documents of a record: `fields`, and the messages of what is wanted by name."""
        if self.branches != ALL:
            for messages in talks.values():
                yield Record(record.place, {**fields, "messages": messages})
            return
        labels = fields.get("labels") or {}
        together = {**fields, "cluster": cluster_of(record, fields)}
        for name, messages in talks.items():
            told = {**labels, LABEL: name} if isinstance(labels, Mapping) else labels
            yield Record(record.place, {**together, "messages": messages, "labels": told})


def cluster_of(record: Record, fields: Mapping[str, Any]) -> str:
    """What documents of one record have in common: the cluster that it gives, else its id, else its place."""
    given = fields.get("cluster") or fields.get("id")
    return given if isinstance(given, str) and len(given) <= MOST_CLUSTER else str(record.place)[-MOST_CLUSTER:]
