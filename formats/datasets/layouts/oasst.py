"""OASST: trees of messages, as rows that name what they answer or as whole trees; read along paths from their roots."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

from formats.datasets.gathering import Gathered, Gathering, Shared
from formats.datasets.layouts.conversations import LABEL_CHARACTERS, MOST_KEY
from formats.datasets.layouts.fields import (
    BadField,
    fields_of,
    first_id,
    id_of,
    label_of,
    number_of,
    passed_over,
    shown,
    value_of,
)
from formats.datasets.layouts.messages import words_of
from formats.datasets.layouts.preference import ALL, REJECTED
from formats.datasets.records import Fault, Found, Limits, Record
from formats.documents import Place
from formats.errors import UnreadableFile
from formats.notes import Notes

_ROLES: Final = {"prompter": "user"}
_READ: Final = ("message_id", "parent_id", "message_tree_id", "text", "role", "rank", "deleted", "lang", "replies")
_SAID: Final = {
    ALL: "of each tree every path from its root to a leaf is read, with the tree as their cluster",
    REJECTED: "of each tree the path of the replies ranked last is read; `branches` can ask for others",
    "preferred": "of each tree the path of the replies ranked first is read; `branches` can ask for others",
}


@dataclass(frozen=True, slots=True)
class _Message:
    """A message; `answers` is the place of the one that it answers among those of its tree, None for the root."""

    place: Place
    id: str | None
    answers: int | None
    role: Any
    text: Any
    rank: float | None
    deleted: bool
    language: str | None
    others: Sequence[str]

    def shown(self, notes: Notes) -> dict[str, Any]:
        """As a message of a document."""
        role = _ROLES.get(self.role, self.role) if isinstance(self.role, str) else self.role
        return {"role": role, "content": words_of(self.text, notes)} | dict.fromkeys(self.others)


class OASST:
    """Reads of each tree the path of the best ranked replies, of the worst, or every path."""

    name: ClassVar[str] = "oasst"
    gathers: ClassVar[bool] = True

    def __init__(self, limits: Limits, notes: Notes, branches: str) -> None:
        self._most_characters = limits.documents_bytes
        self._given = 0
        self._notes = notes
        self._branches = branches
        self._gathering = Gathering(limits.turns, limits.document_characters)
        self._shared = Shared()
        self._said = False

    def take(self, record: Record) -> Found:
        """The documents of a whole tree; a message that is a row is kept. Or the fault."""
        if not self._said:
            self._said = True
            self._notes.say(_SAID[self._branches])
        try:
            fields = fields_of(record)
            prompt = value_of(fields.get("prompt"))
            if not isinstance(prompt, Mapping):
                self._keep(record.place, fields)
                return
            messages = _of_tree(record.place, prompt)
        except BadField as error:
            yield error.fault(record)
            return
        others = passed_over(fields, ("prompt", "message_tree_id"), self._notes)
        yield from self._documents(first_id(fields, "message_tree_id") or messages[0].id, messages, others)

    def finish(self) -> Found:
        """The documents of the trees whose messages are rows."""
        for group in self._gathering.groups():
            try:
                yield from self._documents(group.key, self._of_rows(group), {})
            except _BrokenTree as error:
                yield Fault(error.place, "", str(error))

    def close(self) -> None:
        """Remove what was kept on disk."""
        self._gathering.close()

    # Rows

    def _keep(self, place: Place, fields: Mapping[str, Any]) -> None:
        own, answers = id_of(fields.get("message_id")), id_of(fields.get("parent_id"))
        if own is None:
            raise BadField("/message_id", "the message has no id; give trees with `prompt`, or rows with `message_id`")
        tree = self._tree(own, answers, fields)
        if len(tree) > MOST_KEY:
            raise BadField("/message_tree_id", f"the id of the tree has more than {MOST_KEY} characters")
        message = _message(place, fields, None)
        where = [place.number, self._shared.kept((place.counts, place.file)), place.line]
        parts = [own, answers, message.role, message.text, message.rank, message.deleted, message.language]
        characters = (len(message.text) if isinstance(message.text, str) else 0) + LABEL_CHARACTERS
        excess = self._gathering.add(tree, [where, parts, self._shared.kept(tuple(message.others))], characters)
        if excess is not None:
            raise BadField("", f"the tree {shown(tree)} has {excess}")

    def _tree(self, own: str, answers: str | None, fields: Mapping[str, Any]) -> str:
        """The tree that a row is of: the one that it names, else that of what it answers."""
        named = id_of(fields.get("message_tree_id"))
        if named is not None:
            return named
        told = {"tree": own} if answers is None else self._gathering.told(answers)
        if told is None:
            raise BadField("/parent_id", "it answers a message that stands nowhere before it; give `message_tree_id`")
        self._gathering.describe(own, told)
        return str(told["tree"])

    def _of_rows(self, group: Gathered) -> list[_Message]:
        """The messages of a tree, those that the root is reached from. Raises _BrokenTree."""
        rows = [self._row(row) for row in group.rows]
        places: dict[str, int] = {}
        for place, (message, _) in enumerate(rows):
            assert message.id is not None
            if places.setdefault(message.id, place) != place:
                raise _BrokenTree(message.place, f"the message {shown(message.id)} stands twice in its tree")
        found = [None if answers is None else places.get(answers, -1) for _, answers in rows]
        reached = _reached(found)
        lost = [place for place in range(len(rows)) if place not in reached]
        if lost and all(found[place] != -1 for place in lost):
            raise _BrokenTree(rows[lost[0]][0].place, "the messages of its tree answer each other in a circle")
        if not reached:
            raise _BrokenTree(rows[0][0].place, "no message of its tree is the first: all answer some that are missing")
        if lost:
            sentence = "messages that answer none of the file, and what answers them, are left out"
            self._notes.say(sentence, count=len(lost))
        kept = {place: number for number, place in enumerate(sorted(reached))}
        return [_answering(rows[place][0], kept, found[place]) for place in kept]

    def _row(self, row: Any) -> tuple[_Message, str | None]:
        (number, shared, line), (own, answers, role, text, rank, deleted, language), others = row
        counts, file = self._shared.value(shared)
        place = Place(number, counts, file, line)
        return _Message(place, own, None, role, text, rank, deleted, language, self._shared.value(others)), answers

    # Paths

    def _documents(self, tree: str | None, messages: Sequence[_Message], others: Mapping[str, None]) -> Found:
        replies = self._replies(messages)
        if not replies:
            return
        if self._branches == ALL:
            leaves: Iterator[int] = _leaves(replies)
        else:
            leaf = _ranked(messages, replies, last=self._branches == REJECTED)
            if self._branches == REJECTED and leaf == _ranked(messages, replies, last=False):
                self._notes.say("trees with a single path have no rejected one and are left out")
                return
            leaves = iter([leaf])
        said: dict[int, dict[str, Any]] = {}
        for leaf in leaves:
            path = _path(messages, leaf)
            said |= {each: messages[each].shown(self._notes) for each in path if each not in said}
            self._count(messages[each].text for each in path)
            content: dict[str, Any] = {"id": messages[leaf].id if self._branches == ALL else tree}
            content["messages"] = [said[each] for each in path]
            if messages[path[0]].language is not None:
                content["labels"] = {"lang": messages[path[0]].language}
            if self._branches == ALL and tree is not None:
                content["cluster"] = tree
            yield Record(messages[leaf].place, {**content, **others})

    def _replies(self, messages: Sequence[_Message]) -> dict[int, list[int]]:
        """The replies to each message that is in no deleted one's place or below; the root, by None, is the first."""
        replies: dict[int, list[int]] = {}
        roots = [place for place, message in enumerate(messages) if message.answers is None]
        waiting, kept = roots[:1], 0
        below: dict[int, list[int]] = {}
        for place, message in enumerate(messages):
            if message.answers is not None:
                below.setdefault(message.answers, []).append(place)
        if len(roots) > 1:
            raise _BrokenTree(messages[roots[1]].place, "its tree has two first messages")
        while waiting:
            place = waiting.pop()
            if not messages[place].deleted:
                replies[place] = [each for each in below.get(place, ()) if not messages[each].deleted]
                waiting.extend(replies[place])
                kept += 1
        if kept < len(messages):
            self._notes.say("deleted messages and what answers them are left out", count=len(messages) - kept)
        return replies

    def _count(self, texts: Iterator[Any]) -> None:
        """Paths of one tree share messages: what they are together is bounded as everything else that unpacks."""
        self._given += sum(len(text) for text in texts if isinstance(text, str))
        if self._given > self._most_characters:
            raise UnreadableFile(
                f"The paths of the trees have more than {self._most_characters} characters together, the most that is "
                "taken; ask for the preferred ones, or send fewer trees."
            )


class _BrokenTree(Exception):  # noqa: N818 - it says what happened
    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place


def _message(place: Place, fields: Mapping[str, Any], answers: int | None) -> _Message:
    return _Message(
        place=place,
        id=id_of(fields.get("message_id")),
        answers=answers,
        role=fields.get("role"),
        text=fields.get("text"),
        rank=number_of(fields.get("rank")),
        deleted=fields.get("deleted") in (True, "true", "True"),
        language=label_of(fields.get("lang")),
        others=[name for name in fields if name not in _READ],
    )


def _of_tree(place: Place, prompt: Mapping[str, Any]) -> list[_Message]:
    """The messages of a tree that stands in one piece, a message before what answers it. Raises BadField."""
    messages: list[_Message] = []
    waiting: list[tuple[Any, int | None]] = [(prompt, None)]
    while waiting:
        given, answers = waiting.pop()
        if not isinstance(given, Mapping):
            raise BadField("/prompt", "its `replies` have to be objects with `text` and `role`")
        messages.append(_message(place, given, answers))
        replies = given.get("replies") or []
        if not isinstance(replies, list):
            raise BadField("/prompt", "`replies` have to be a list")
        waiting.extend((reply, len(messages) - 1) for reply in reversed(replies))
    return messages


def _reached(answers: Sequence[int | None]) -> set[int]:
    """The places from which what is answered leads to a root."""
    below: dict[int | None, list[int]] = {}
    for place, other in enumerate(answers):
        below.setdefault(other, []).append(place)
    reached: set[int] = set()
    waiting = list(below.get(None, ()))
    while waiting:
        place = waiting.pop()
        reached.add(place)
        waiting.extend(below.get(place, ()))
    return reached


def _answering(message: _Message, kept: Mapping[int, int], answers: int | None) -> _Message:
    return replace(message, answers=None if answers is None else kept[answers])


def _ranked(messages: Sequence[_Message], replies: Mapping[int, Sequence[int]], *, last: bool) -> int:
    """The leaf to which the replies ranked first, or last, lead. Those without a rank stand behind, in their order."""
    place = next(iter(replies))
    while replies[place]:
        ranked = [(rank, reply) for reply in replies[place] if (rank := messages[reply].rank) is not None]
        in_order = [reply for _, reply in sorted(ranked)] or replies[place]
        place = in_order[-1 if last else 0]
    return place


def _leaves(replies: Mapping[int, Sequence[int]]) -> Iterator[int]:
    """Every leaf, in the order in which the tree stands."""
    waiting = [next(iter(replies))]
    while waiting:
        place = waiting.pop()
        if not replies[place]:
            yield place
        waiting.extend(reversed(replies[place]))


def _path(messages: Sequence[_Message], leaf: int) -> list[int]:
    """The places from the root to a leaf."""
    path: list[int] = []
    place: int | None = leaf
    while place is not None:
        path.append(place)
        place = messages[place].answers
    path.reverse()
    return path
