"""ShareGPT: conversations as lists of `from` and `value`."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from formats.datasets.layouts.fields import BadField, fields_of, first_id, passed_over, value_of
from formats.datasets.layouts.messages import words_of
from formats.datasets.records import Found, Limits, Record
from formats.notes import Notes, quoted

LISTS: Final = ("conversations", "conversation")
ROLES: Final[Mapping[str, str]] = {
    "human": "user", "user": "user", "prompter": "user",
    "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant", "bing": "assistant", "bard": "assistant",
    "system": "system",
    "tool": "tool", "function": "tool", "observation": "tool", "function_response": "tool", "tool_response": "tool",
    "function_call": "assistant", "tool_call": "assistant",
}  # fmt: skip
MOST_ROLE: Final = 100
MOST_SAID: Final = 100
_IDS: Final = ("id", "conversation_id")
_DOCUMENT: Final = ("domain", "labels", "cluster")


class ShareGPT:
    """Reads one conversation a record."""

    name: ClassVar[str] = "sharegpt"
    gathers: ClassVar[bool] = False

    def __init__(self, limits: Limits, notes: Notes, branches: str) -> None:  # noqa: ARG002
        self._notes = notes
        self._said: set[str] = set()

    def take(self, record: Record) -> Found:
        """The conversation of a record."""
        try:
            fields = fields_of(record)
            name = next((name for name in LISTS if fields.get(name) is not None), None)
            if name is None:
                raise BadField("", "no field is called `conversations`, a list of objects with `from` and `value`")
            messages = self.read(fields[name], f"/{name}")
        except BadField as error:
            yield error.fault(record)
            return
        system = fields.get("system")
        read = {*_IDS, *_DOCUMENT, name}
        if isinstance(system, str):
            read.add("system")
            if system.strip():
                messages.insert(0, {"role": "system", "content": system})
        document = {each: value_of(fields[each]) for each in _DOCUMENT if fields.get(each) is not None}
        document |= {"id": first_id(fields, *_IDS), "messages": messages}
        yield Record(record.place, document | passed_over(fields, read, self._notes))

    def finish(self) -> Found:
        """Nothing is left."""
        yield from ()

    def close(self) -> None:
        """Nothing was kept."""

    def read(self, given: Any, pointer: str) -> list[dict[str, Any]]:
        """The messages of a list, or of a single one. Raises BadField."""
        entries = value_of(given)
        if isinstance(entries, Mapping):
            entries = [entries]
        if not isinstance(entries, list):
            raise BadField(pointer, "give a list of objects with `from` and `value`")
        return [self._message(entry, f"{pointer}/{place}") for place, entry in enumerate(entries)]

    def _message(self, entry: Any, pointer: str) -> dict[str, Any]:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("from"), str) or "value" not in entry:
            raise BadField(pointer, "give an object with `from` and `value`")
        words = words_of(entry["value"], self._notes)
        return {"role": self._role(entry["from"]), "content": words} | {
            name: None for name in entry if name not in ("from", "value")
        }

    def _role(self, given: str) -> str:
        role = ROLES.get(given.strip().lower())
        if role is None:
            self._say_once(given, "{} is no role that is known and is kept as it is", given[:MOST_ROLE])
            return given
        if role != given:
            self._say_once(given, f"the role {quoted(given)} is read as `{role}`")
        return role

    def _say_once(self, given: str, sentence: str, *names: str) -> None:
        if given[:MOST_ROLE] not in self._said and len(self._said) < MOST_SAID:
            self._said.add(given[:MOST_ROLE])
            self._notes.say(sentence, *names)
