"""Who is who in a chat that gives ids: one name a person, also where a name changes or two people have the same."""

from formats.notes import Notes
from formats.transcripts.names import folded


class People:
    """Gives each person, told by id, the name under which the chat first shows them."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._names: dict[str, str] = {}
        self._shown: dict[str, str] = {}
        self._owners: dict[str, str] = {}

    def name(self, identity: str | None, shown: str | None) -> str:
        """The person's name; without a name the id, with neither `unknown`. What could surprise is noted."""
        name = folded(shown or "")
        identity = folded(identity or "") or name
        if identity in self._names:
            if name and name != self._shown[identity]:
                self._notes.say(
                    "{} is shown as {} too, and is one person by the id", self._names[identity], name, count=0
                )
            return self._names[identity]
        self._shown[identity] = name
        if not name:
            name = identity or "unknown"
            self._notes.say("{} has no name in the chat and is shown by id", name)
        if self._owners.get(name, identity) != identity:
            other, name = name, f"{name} ({identity})"
            self._notes.say("{} and {} have the same name and are two people by their ids", other, name)
        self._owners[name] = identity
        self._names[identity] = name
        return name
