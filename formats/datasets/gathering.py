"""Gathering: rows that belong together and need not stand together, brought together on disk.

Rows go into a table of a temporary database in the order in which they come. Each knows the row of its group before
it, and a group knows its last one, so that nothing is ever sorted, and what is done for a row does not grow with how
many there are. SQLite removes the file as soon as it has opened it: nothing is left behind, however the process ends.
"""

import errno
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

MOST_GROUPS_AT_HAND: Final = 4_096
MOST_ROWS_WAITING: Final = 1_000
MOST_BYTES_WAITING: Final = 1 << 20
MOST_SHARED: Final = 1_000
MOST_SHARED_BYTES: Final = 1 << 20
_BYTES_OF_A_ROW: Final = 4_096
_BYTES_OF_A_CHARACTER: Final = 8
"""What rows may have beside their text is bounded by how many rows and characters a group may have."""
_CACHE_KIB: Final = 32 << 10
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_SURROGATES: Final = "surrogatepass"
"""Halves of surrogate pairs are kept here: whoever checks the document says what is wrong with them."""

_TABLES: Final = """
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA temp_store = FILE;
    CREATE TABLE rows (number INTEGER PRIMARY KEY, before INTEGER, content BLOB NOT NULL);
    CREATE TABLE groups (
        number INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, last INTEGER NOT NULL, rows INTEGER NOT NULL,
        characters INTEGER NOT NULL, length INTEGER NOT NULL, refused INTEGER NOT NULL
    );
    CREATE TABLE facts (key BLOB PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID;
    BEGIN;
"""
_FIND_GROUP: Final = "SELECT number, last, rows, characters, length, refused FROM groups WHERE key = ?"
_NEW_GROUP: Final = """
    INSERT INTO groups (last, rows, characters, length, refused, key, number) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_KNOWN_GROUP: Final = """
    UPDATE groups SET last = ?, rows = ?, characters = ?, length = ?, refused = ? WHERE number = ?
"""
_KEEP_ROW: Final = "INSERT INTO rows (number, before, content) VALUES (?, ?, ?)"
_KEEP_FACTS: Final = "INSERT INTO facts (key, content) VALUES (?, ?) ON CONFLICT (key) DO NOTHING"
_FIND_FACTS: Final = "SELECT content FROM facts WHERE key = ?"
_EVERY_GROUP: Final = """
    SELECT groups.key, groups.last, facts.content FROM groups LEFT JOIN facts USING (key)
    WHERE NOT groups.refused ORDER BY groups.number
"""
_ROWS_BACKWARDS: Final = """
    WITH RECURSIVE chain (before, content) AS (
        SELECT before, content FROM rows WHERE number = ?
        UNION ALL SELECT rows.before, rows.content FROM rows JOIN chain ON rows.number = chain.before
    )
    SELECT content FROM chain
"""
_COUNT_FACTS_OF_NONE: Final = """
    SELECT count(*) FROM facts WHERE NOT EXISTS (SELECT 1 FROM groups WHERE groups.key = facts.key)
"""


class Shared:
    """Values that many rows have, kept once in memory; when there are too many of them, each with its row."""

    def __init__(self) -> None:
        self._values: list[tuple[Any, ...]] = []
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._bytes = 0

    def kept(self, value: tuple[Any, ...]) -> int | tuple[Any, ...]:
        """What a row has in place of the value."""
        number = self._numbers.get(value)
        if number is None:
            self._bytes += sum(len(part) for part in value if isinstance(part, str))
            if len(self._values) >= MOST_SHARED or self._bytes > MOST_SHARED_BYTES:
                return value
            number = self._numbers[value] = len(self._values)
            self._values.append(value)
        return number

    def value(self, kept: int | Sequence[Any]) -> tuple[Any, ...]:
        """The value that a row has, by what it has in place of it."""
        return self._values[kept] if isinstance(kept, int) else tuple(kept)


@dataclass(slots=True)
class _Group:
    """What is known of a group without its rows: the number of its last row, and whether it was never written yet."""

    number: int
    new: bool = True
    last: int | None = None
    rows: int = 0
    characters: int = 0
    length: int = 0
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Gathered:
    """A group: its rows as they were added, in that order, and what `describe` told of it."""

    key: str
    rows: Sequence[Any]
    facts: Mapping[str, Any] | None


class Gathering:
    """Gathers rows by key; a group may have so many rows, and its rows so many characters.

    Not safe between threads, but need not stay in one. Raises OSError where the disk is full.
    """

    def __init__(self, most_rows: int, most_characters: int) -> None:
        self.most_rows = most_rows
        self.most_characters = most_characters
        self._most_bytes = most_rows * _BYTES_OF_A_ROW + most_characters * _BYTES_OF_A_CHARACTER
        self._at_hand: dict[str, _Group] = {}
        self._groups = 0
        self._waiting: list[tuple[int, int | None, bytes]] = []
        self._bytes_waiting = 0
        self._rows = 0
        self._database: sqlite3.Connection | None = None

    def add(self, key: str, row: Any, characters: int) -> str | None:
        """Keep a row, which JSON can hold. Gives what is too long where the group now is; later rows of it are let go.

        So a group above the limits is known before anybody has to hold it.
        """
        group = self._group(key)
        if group.refused:
            return None
        group.rows += 1
        group.characters += characters
        content = _written(row)
        group.length += len(content)
        excess = self._excess(group)
        if excess is not None:
            group.refused = True
            return excess
        self._rows += 1
        self._waiting.append((self._rows, group.last, content))
        self._bytes_waiting += len(content)
        group.last = self._rows
        if len(self._waiting) >= MOST_ROWS_WAITING or self._bytes_waiting >= MOST_BYTES_WAITING:
            self._keep_rows()
        return None

    def describe(self, key: str, facts: Mapping[str, Any]) -> None:
        """Tell something of a group, before or after its rows; what is told first counts."""
        self._run(_KEEP_FACTS, [(_encoded(key), _written(facts))])

    def groups(self) -> Iterator[Gathered]:
        """Every group that was not refused, in order of its first row."""
        self._keep_rows()
        self._keep_groups()
        database = self._opened()
        for key, last, facts in database.execute(_EVERY_GROUP):
            rows = [_read(content) for (content,) in database.execute(_ROWS_BACKWARDS, (last,))]
            rows.reverse()
            yield Gathered(key.decode("utf-8", _SURROGATES), rows, None if facts is None else _read(facts))

    def told(self, key: str) -> Mapping[str, Any] | None:
        """What was told of a key."""
        found = self._opened().execute(_FIND_FACTS, (_encoded(key),)).fetchone()
        return None if found is None else _read(found[0])

    def described_in_vain(self) -> int:
        """How many keys were described and have no rows."""
        self._keep_groups()
        return int(self._opened().execute(_COUNT_FACTS_OF_NONE).fetchone()[0])

    def close(self) -> None:
        """Remove everything."""
        self._waiting.clear()
        self._at_hand.clear()
        if self._database is not None:
            self._database.close()
            self._database = None

    def _excess(self, group: _Group) -> str | None:
        if group.rows > self.most_rows:
            return f"more than {self.most_rows} turns; that is the limit"
        if group.characters > self.most_characters:
            return f"more than {self.most_characters} characters; that is the limit"
        if group.length > self._most_bytes:
            return f"more than {self._most_bytes} bytes with what its rows have beside their text; that is the limit"
        return None

    def _group(self, key: str) -> _Group:
        group = self._at_hand.get(key)
        if group is not None:
            return group
        if len(self._at_hand) >= MOST_GROUPS_AT_HAND:
            self._keep_groups()
        found = self._opened().execute(_FIND_GROUP, (_encoded(key),)).fetchone()
        if found is None:
            self._groups += 1
            group = _Group(self._groups)
        else:
            number, last, rows, characters, length, refused = found
            group = _Group(number, False, last, rows, characters, length, bool(refused))
        self._at_hand[key] = group
        return group

    def _keep_groups(self) -> None:
        at_hand = self._at_hand.items()
        self._run(_NEW_GROUP, ((*_state(group), _encoded(key), group.number) for key, group in at_hand if group.new))
        self._run(_KNOWN_GROUP, ((*_state(group), group.number) for _, group in at_hand if not group.new))
        self._at_hand.clear()

    def _keep_rows(self) -> None:
        self._run(_KEEP_ROW, self._waiting)
        self._waiting.clear()
        self._bytes_waiting = 0

    def _run(self, query: str, values: Iterable[Sequence[Any]]) -> None:
        try:
            self._opened().executemany(query, values)
        except sqlite3.OperationalError as error:
            raise OSError(errno.ENOSPC, f"rows cannot be kept on disk: {error}") from error

    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            # Without a name it is a file that is removed as soon as it is open, and small ones stay in memory.
            self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            self._database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            self._database.executescript(_TABLES)
        return self._database


def _state(group: _Group) -> tuple[int, int, int, int, bool]:
    return group.last or 0, group.rows, group.characters, group.length, group.refused


def _written(value: Any) -> bytes:
    return _encoded(_ENCODER.encode(value))


def _read(content: bytes) -> Any:
    return json.loads(content.decode("utf-8", _SURROGATES))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", _SURROGATES)
