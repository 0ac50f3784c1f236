"""Who speaks where a format does not say: which of the words before colons are names.

What decides, in this order (docs/formats.md says it for users):

1. Speakers that the request gives are settled: of a list those are the names and nothing else is one; of a table its
   aliases are names, and what it gives null for is none.
2. Times and numbers are no names, and what is longer than a name can be is none.
3. Words about speech, pronouns and verbs (`First question`, `I mean`) are speech, unless all words are capitalised as
   in a title. So is, met once, what goes on with an unfinished sentence in small letters.
4. Where speech after names begins with capitals, a prefix is speech whose own rest never does, unless it has signs of
   a name (digits, brackets, `@`, several capitalised words).
5. What is met more than once is a name.
6. Met once: where names are counted (`Speaker 1`, `Speaker 2`), what is not of them is speech, unless it is titled;
   what stands in small letters elsewhere in the speech is speech. The rest is a name where most cues begin with a
   prefix, and elsewhere where it is titled or has signs of a name.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from formats.notes import Notes, quoted
from formats.transcripts.names import (
    begins_small,
    folded,
    is_clause,
    is_counted,
    is_distinctive,
    is_phrase,
    is_titled,
)
from formats.transcripts.pieces import Piece
from formats.transcripts.prefixes import Line, Prefix, lines_of, prefixes_of

MOST: Final = 0.5
"""Where at least this share of the cues begins with a prefix, whatever stands there is a name."""
CAPITALS: Final = 0.8
_WORDS: Final = re.compile(r"[^\W\d_]+")


class Given:
    """The speakers that a request gives: of a list those alone are names; of a table aliases stand for names.

    An alias that stands for null is no name.
    """

    def __init__(self, speakers: Sequence[str] | Mapping[str, str | None] | None) -> None:
        self.only = speakers is not None and not isinstance(speakers, Mapping)
        self._shown: dict[str, str | None] = {}
        if isinstance(speakers, Mapping):
            shown = {folded(alias): None if name is None else folded(name) for alias, name in speakers.items()}
            self._shown |= {name: name for name in shown.values() if name is not None}
            self._shown |= shown
        elif speakers is not None:
            self._shown = {folded(name): folded(name) for name in speakers}
        self._capitals = {name.casefold(): name for name in reversed(self._shown)}

    def knows(self, name: str) -> bool:
        """Whether it is given: as it stands, or but for capitals."""
        return name in self._shown or name.casefold() in self._capitals

    def shown(self, name: str) -> str | None:
        """How a folded name is shown: as given, else as it stands; None where it is given as no name."""
        if not self.knows(name):
            return name
        return self._shown[name if name in self._shown else self._capitals[name.casefold()]]

    def silent(self, speakers: Sequence[str]) -> list[str]:
        """The given names that none of the speakers has."""
        wanted = dict.fromkeys(name for name in self._shown.values() if name is not None)
        return [name for name in wanted if name not in set(speakers)]


@dataclass(frozen=True, slots=True)
class _File:
    """What is known of all prefixes together."""

    mostly: bool
    families: frozenset[str]
    small_words: frozenset[str]
    rests: Counter[bool]


def with_speakers(pieces: Sequence[Piece], given: Given, notes: Notes) -> list[Piece]:
    """The pieces with the names that stand before their colons, in several where several speak in one."""
    lines = list(lines_of(pieces))
    prefixes = prefixes_of(lines)
    file = _file(lines, prefixes, len(pieces))
    names = {name for name, prefix in prefixes.items() if _decided(prefix, file, given, notes)}
    return _divided(pieces, lines, names, notes)


def settled(pieces: Sequence[Piece], given: Given, notes: Notes) -> list[Piece]:
    """The pieces of a format in which every line begins with a name: what is given as none goes on with the line above.

    What is not given and could be otherwise is noted.
    """
    kept: list[tuple[Piece, list[str]]] = []
    counts = Counter(folded(piece.speaker) for piece in pieces if piece.speaker is not None)
    for piece in pieces:
        name = None if piece.speaker is None else folded(piece.speaker)
        if (
            name is None
            or (given.knows(name) and given.shown(name) is not None)
            or not (given.only or given.knows(name))
        ):
            if name is not None and counts[name] == 1 and is_clause(name) and not given.knows(name):
                notes.say(
                    "{} stands before a colon once and was taken for a name, as in every line", name, line=piece.line
                )
            kept.append((piece, [piece.text]))
            continue
        said = f"{piece.speaker}: {piece.text}"
        if kept:
            kept[-1][1].append(said)
        else:
            kept.append((replace(piece, speaker=None), [said]))
    return [replace(piece, text="\n".join(texts)) for piece, texts in kept]


def _file(lines: Sequence[Line], prefixes: Mapping[str, Prefix], pieces: int) -> _File:
    begun = {line.piece for line in lines if line.prefix is not None}
    counted = Counter(family for name in prefixes if (family := is_counted(name)) is not None and not is_clause(family))
    rests: Counter[bool] = Counter()
    for prefix in prefixes.values():
        rests.update(small for rest in prefix.rests if (small := begins_small(rest)) is not None)
    small_words = {word for line in lines for word in _WORDS.findall(line.rest) if word.islower()}
    return _File(
        mostly=len(begun) >= MOST * pieces,
        families=frozenset(family for family, count in counted.items() if count > 1),
        small_words=frozenset(small_words),
        rests=rests,
    )


def _decided(prefix: Prefix, file: _File, given: Given, notes: Notes) -> bool:
    """Whether the prefix is a name; what could be otherwise is noted."""
    if given.knows(prefix.name):
        return given.shown(prefix.name) is not None
    if given.only:
        return False
    named = _is_name(prefix, file)
    if len(prefix.lines) == 1 and named:
        notes.say(
            "{} stands before a colon once and was taken for a name; `speakers` in the request settles it",
            prefix.name,
            line=prefix.lines[0],
        )
    elif not named:
        for line in prefix.lines:
            notes.say(
                f"{quoted(prefix.name)} stands before a colon and was read as speech; `speakers` in the request "
                "settles it",
                line=line,
            )
    return named


def _is_name(prefix: Prefix, file: _File) -> bool:
    name = prefix.name
    titled = is_titled(name) and len(name.split()) > 1
    if is_phrase(name):
        return False
    if is_clause(name) and (not titled or name.isupper()):
        return False
    signs = titled or is_distinctive(name)
    small = [begins_small(rest) for rest in prefix.rests]
    if not signs and all(small) and _capitals(file, small):
        return False
    if len(prefix.lines) > 1:
        return True
    if begins_small(name) and prefix.continues[0] and not signs:
        return False
    if file.families:
        family = is_counted(name)
        return family in file.families or (family is None and signs)
    if not signs and len(name.split()) == 1 and name.casefold() in file.small_words and not begins_small(name):
        return False
    return file.mostly or is_distinctive(name) or is_titled(name)


def _capitals(file: _File, own: Sequence[bool | None]) -> bool:
    """Whether what follows the other prefixes begins with capitals."""
    small = file.rests[True] - sum(each is True for each in own)
    large = file.rests[False] - sum(each is False for each in own)
    return large > 0 and large >= CAPITALS * (small + large)


def _divided(pieces: Sequence[Piece], lines: Sequence[Line], names: set[str], notes: Notes) -> list[Piece]:
    """The pieces, each cut before the lines at which somebody else is named, without the names."""
    divided: list[tuple[Line, str | None, list[str]]] = []
    for line in lines:
        speaker = line.prefix if line.prefix in names else None
        text = line.text if speaker is None else line.rest
        if speaker is None and line.changes:
            notes.say(
                "a mark of a change of speaker, and no name: it goes on with the speaker before", line=line.number
            )
        if speaker is None and divided and divided[-1][0].piece == line.piece:
            divided[-1][2].append(text)
        else:
            divided.append((line, speaker, [text]))
    return [
        Piece("\n".join(texts), line.number, speaker, pieces[line.piece].start, pieces[line.piece].end)
        for line, speaker, texts in divided
    ]
