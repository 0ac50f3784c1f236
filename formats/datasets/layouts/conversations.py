"""Conversations: utterances gathered by the conversation that they are of, brought into order, as documents."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from formats.datasets.gathering import Gathered, Gathering, Shared
from formats.datasets.layouts.fields import LABEL, counted, shown
from formats.datasets.layouts.order import Circle, Kind, Moment, beginning, comparable, in_order
from formats.datasets.records import Fault, Found, Limits, Record
from formats.documents import Place
from formats.notes import Notes

MOST_KEY: Final = 500
LABEL_CHARACTERS: Final = 3
"""A turn is rendered as its speaker, a colon, a blank, its text and the end of the line."""
_FACTS: Final = ("domain", "cluster")


class Utterance(NamedTuple):
    """What somebody said, as a row tells it.

    `number` counts the turns where the table does. `facts` are the domain, the cluster and labels (`labels.team`) that
    the row gives its conversation, `others` fields that are passed over.
    """

    speaker: str
    text: str
    moment: Moment | None = None
    end: Moment | None = None
    id: str | None = None
    reply: str | None = None
    number: int | None = None
    facts: Mapping[str, str] = MappingProxyType({})
    others: Sequence[str] = ()


class _Row(NamedTuple):
    place: Place
    said: Utterance


class Conversations:
    """Gathers utterances on disk; gives one document a conversation, in order of their first rows."""

    def __init__(self, limits: Limits, notes: Notes) -> None:
        self._gathering = Gathering(limits.turns, limits.document_characters)
        self._notes = notes
        self._shared = Shared()
        self._by: Counter[str] = Counter()

    def add(self, place: Place, conversation: str, said: Utterance) -> Fault | None:
        """Keep an utterance. The fault is that its conversation is now too long."""
        if len(conversation) > MOST_KEY:
            return Fault(place, "", f"the id of the conversation has more than {MOST_KEY} characters")
        characters = len(said.speaker) + len(said.text) + LABEL_CHARACTERS
        excess = self._gathering.add(conversation, self._written(place, said), characters)
        if excess is None:
            return None
        return Fault(place, "", f"the conversation {shown(conversation)} has {excess}")

    def describe(self, conversation: str, facts: Mapping[str, Any]) -> None:
        """Tell labels of a conversation: ``{"labels": {...}, "others": [fields that are passed over]}``."""
        self._gathering.describe(conversation, facts)

    def documents(self) -> Found:
        """Every conversation, and the faults of those that make no sense."""
        for group in self._gathering.groups():
            yield self._document(group)
        self._say_order()

    def described_in_vain(self) -> int:
        """How many conversations were described in which nothing was said."""
        return self._gathering.described_in_vain()

    def close(self) -> None:
        """Remove what was kept on disk."""
        self._gathering.close()

    def _document(self, group: Gathered) -> Record | Fault:
        rows = [self._read(row) for row in group.rows]
        first = rows[0].place
        try:
            facts = _agreed(rows)
            moments = self._moments(rows)
            ordered = self._ordered(rows, moments)
        except _Disagreement as error:
            return Fault(error.place, error.pointer, str(error))
        content: dict[str, Any] = {"id": group.key} if group.key else {}
        content |= {name: facts.pop(name) for name in _FACTS if name in facts}
        told = group.facts or {}
        content["turns"] = list(self._turns([rows[each] for each in ordered], moments, ordered))
        content["labels"] = {**told.get("labels", {}), **{name.removeprefix(LABEL): facts[name] for name in facts}}
        content |= dict.fromkeys(told.get("others", ()))
        return Record(first, content)

    def _moments(self, rows: Sequence[_Row]) -> list[float] | None:
        told = [row.said.moment for row in rows]
        moments = comparable(told)
        if moments is None and None not in told:
            self._notes.say("times of one conversation are written in several ways and do not order it")
        elif moments is not None and any(then and then.seconds != now for then, now in zip(told, moments, strict=True)):
            self._notes.say("where a clock falls back by more than half a day it has passed midnight")
        return moments

    def _ordered(self, rows: Sequence[_Row], moments: Sequence[float] | None) -> Sequence[int]:
        answered = self._answered(rows)
        if moments is None and not any(each is not None for each in answered):
            numbers = [row.said.number for row in rows]
            if None in numbers:
                self._by["row"] += 1
                return range(len(rows))
            self._by["number"] += 1
            return sorted(range(len(rows)), key=lambda place: numbers[place] or 0)
        self._by["reply" if moments is None else "time"] += 1
        try:
            return in_order(moments, answered)
        except Circle as circle:
            row = rows[circle.place]
            message = f"the utterance {shown(row.said.id or '')} answers one that in the end answers it"
            raise _Disagreement(row.place, "/reply_to", message) from None

    def _answered(self, rows: Sequence[_Row]) -> list[int | None]:
        """The place of the row that each answers."""
        places: dict[str, int] = {}
        for place, row in enumerate(rows):
            if row.said.id is not None and places.setdefault(row.said.id, place) != place:
                self._notes.say("ids of utterances stand twice in a conversation; answers are to the first")
        answered: list[int | None] = []
        for place, row in enumerate(rows):
            other = None if row.said.reply is None else places.get(row.said.reply)
            if row.said.reply is not None and other is None:
                self._notes.say("utterances answer one that is not in their conversation", line=line_of(row.place))
            if other == place:
                self._notes.say("utterances that answer themselves answer nothing", line=line_of(row.place))
            answered.append(None if other == place else other)
        return answered

    def _turns(
        self, rows: Sequence[_Row], moments: Sequence[float] | None, ordered: Sequence[int]
    ) -> Iterator[dict[str, Any]]:
        kind = _kind(rows)
        since = None if moments is None or kind is None else beginning(kind, moments)
        if moments is not None and since is None:
            self._notes.say("times order the turns of a conversation and are not kept, for they tell no seconds")
        for place, row in zip(ordered, rows, strict=True):
            turn: dict[str, Any] = {"speaker": row.said.speaker, "text": row.said.text}
            if since is not None and moments is not None:
                turn["start"] = round((moments[place] - since[0]) / since[1], 3)
                end = row.said.end
                if end is not None and end.kind == kind and end.seconds >= moments[place]:
                    turn["end"] = round((end.seconds - since[0]) / since[1], 3)
            yield turn | dict.fromkeys(row.said.others)

    def _say_order(self) -> None:
        ways = {
            "time": "the turns of {} stand in order of time",
            "reply": "the turns of {} stand in the order in which they answer each other",
            "number": "the turns of {} stand in order of their numbers",
            "row": "the turns of {} stand in the order of the rows",
        }
        for way, sentence in ways.items():
            if self._by[way]:
                self._notes.say(sentence.format(counted(self._by[way], "conversation")))

    # As rows are kept

    def _written(self, place: Place, said: Utterance) -> list[Any]:
        *parts, facts, others = said
        shared = self._shared.kept((place.counts, place.file))
        return [place.number, shared, place.line, *parts, dict(facts), self._shared.kept(tuple(others))]

    def _read(self, row: Sequence[Any]) -> _Row:
        number, shared, line, speaker, text, moment, end, own, reply, count, facts, others = row
        counts, file = self._shared.value(shared)
        names = self._shared.value(others)
        said = Utterance(speaker, text, _moment(moment), _moment(end), own, reply, count, facts, names)
        return _Row(Place(number, counts, file, line), said)


class _Disagreement(Exception):  # noqa: N818 - it says what happened
    def __init__(self, place: Place, pointer: str, message: str) -> None:
        super().__init__(message)
        self.place = place
        self.pointer = pointer


def line_of(place: Place) -> int | None:
    """The line that a note names; in an archive it would not say of which file."""
    if place.file is not None:
        return None
    return place.number if place.counts == "line" else place.line


def _agreed(rows: Sequence[_Row]) -> dict[str, str]:
    """What the rows say of their conversation. Raises _Disagreement where two say different things."""
    facts: dict[str, str] = {}
    for row in rows:
        for name, value in row.said.facts.items():
            if facts.setdefault(name, value) != value:
                message = f"its {shown(name)} is not that of the rows before it of the same conversation"
                raise _Disagreement(row.place, f"/{name}", message)
    return facts


def _kind(rows: Sequence[_Row]) -> Kind | None:
    moment = rows[0].said.moment
    return None if moment is None else moment.kind


def _moment(kept: Any) -> Moment | None:
    return None if kept is None else Moment(*kept)
