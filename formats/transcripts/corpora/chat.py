"""CHAT, the transcripts of TalkBank and CHILDES (`.cha`): the main lines as they are written."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from formats.errors import BadTranscript
from formats.notes import Notes, quoted
from formats.transcripts.pieces import Content, Parsed, Piece, TranscriptFormat

_MAIN: Final = re.compile(r"\*([^\s:*]{1,50})\s?:\s*")
_OPENING: Final = re.compile(r"@(?:UTF8|Begin|PID|Font|Window|Color words|Languages|Participants|Loc|Options)\b")
_HEAD_LINES: Final = 30
_BULLETS: Final = "\x15•·"
_TIMES: Final = re.compile(
    rf'[{_BULLETS}](?:%[a-z]{{3}}:"?[^"{_BULLETS}]{{0,200}}"?_)?(?P<start>\d{{1,9}})_(?P<end>\d{{1,9}})-?[{_BULLETS}]'
)
"""`•123_456•`, and of old `•%snd:"tape.wav"_123_456•`: milliseconds."""
_MEDIUM: Final = re.compile("\x15[^\x15]{0,300}\x15|•%[a-z]{3}:[^•]{0,300}•")
_SPACES: Final = re.compile(r"[ \t]{2,}|\t")
_ENDED: Final = re.compile(r'(?:[.?!"]|\[[^\]]{0,80}\]|\x15)\s*$')
_MOST_ROLES: Final = 20
_ROLES: Final = frozenset({
    "Adult", "Attorney", "Audience", "Aunt", "Babysitter", "Boy", "Brother", "Camera_Operator", "Caretaker", "Child",
    "Clinician", "Cousin", "Doctor", "Environment", "Family_Friend", "Father", "Female", "Friend", "Girl",
    "Grandfather", "Grandmother", "Group", "Guest", "Host", "Housekeeper", "Informant", "Interviewer", "Interviewee",
    "Investigator", "Justice", "LENA", "Leader", "Male", "Media", "Member", "Mother", "Narrator", "Non_Human",
    "Nurse", "Observer", "OffScript", "Other", "Participant", "Partner", "Patient", "PlayRole", "Playmate",
    "Relative", "Sibling", "Sister", "Speaker", "Student", "Subject", "Target_Adult", "Target_Child", "Teacher",
    "Teenager", "Text", "Therapist", "Toy", "Uncertain", "Uncle", "Unidentified", "Visitor",
})  # fmt: skip
"""The roles that CHAT knows: another word at that place may be a name."""


@dataclass(slots=True)
class _Line:
    """A line with the lines that go on with it; `kind` is what it begins with, `code` the speaker's or the tier's."""

    kind: Literal["@", "*", "%"]
    number: int
    code: str
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join(self.parts)


def _recognizes(content: Content) -> bool:
    head = [line for line in content.lines[:_HEAD_LINES] if line.strip()]
    if not head:
        return False
    if _OPENING.match(head[0]):
        return any(line.startswith("@Begin") or _MAIN.match(line) for line in head)
    tabbed = bool(_MAIN.match(head[0])) and "\t" in head[0]
    return tabbed and all(_MAIN.match(line) or line[0] in "@%\t " for line in head)


def _read(content: Content) -> Parsed:
    notes = Notes()
    lines = list(_lines(content, notes))
    spoken = [line for line in lines if line.kind == "*"]
    if not spoken:
        raise BadTranscript("it has no main line of CHAT, `*CHI:` and a tab and what is said")
    headers = [line for line in lines if line.kind == "@"]
    pieces = [piece for line in spoken if (piece := _piece(line, notes)) is not None]
    _note_tiers(lines, notes)
    _note_headers(headers, {line.code for line in spoken}, notes)
    return Parsed("messages", True, pieces, notes)


def _lines(content: Content, notes: Notes) -> Iterator[_Line]:
    line: _Line | None = None
    for number, text in enumerate(content.lines, start=1):
        if not text.strip():
            continue
        begun = _begun(text.lstrip(" "), number)
        if begun is not None:
            if line is not None:
                yield line
            line = begun
        elif line is not None and text[0] in "\t ":
            line.parts.append(text.strip())
        elif line is not None and line.kind == "*" and not _ENDED.search(line.parts[-1][-100:]):
            notes.say(
                "lines without a tab before them go on with the main line above, which was not at its end", line=number
            )
            line.parts.append(text.strip())
        else:
            notes.say(f"what is no line of CHAT is left out: {quoted(text)}", line=number)
    if line is not None:
        yield line


def _begun(text: str, number: int) -> _Line | None:
    """The line that begins here; None where a line goes on, or nothing of CHAT begins."""
    if main := _MAIN.match(text):
        return _Line("*", number, main[1], [text[main.end() :].strip()])
    code, _, rest = text[1:].partition(":")
    if text[0] == "%":
        return _Line("%", number, code.strip())
    return _Line("@", number, code.strip(), [rest.strip()]) if text[0] == "@" else None


def _piece(line: _Line, notes: Notes) -> Piece | None:
    times = list(_TIMES.finditer(line.text))
    text = _TIMES.sub(" ", line.text)
    text = _SPACES.sub(" ", _MEDIUM.sub(" ", text)).strip()
    if not text:
        notes.say("main lines without words are left out", line=line.number)
        return None
    start = min((int(time["start"]) / 1000 for time in times), default=None)
    end = max((int(time["end"]) / 1000 for time in times), default=None)
    return Piece(text, line.number, line.code, start, end)


def _note_tiers(lines: Sequence[_Line], notes: Notes) -> None:
    tiers = list(dict.fromkeys(line.code for line in lines if line.kind == "%"))
    if tiers:
        named = ", ".join(f"%{tier}" for tier in tiers[:_MOST_ROLES])
        count = sum(line.kind == "%" for line in lines)
        notes.say(f"annotation lines ({quoted(named)}) are left out", count=count)


def _note_headers(headers: Sequence[_Line], speakers: set[str], notes: Notes) -> None:
    roles = {
        words[0]: words[-1]
        for header in headers
        if header.code == "Participants"
        for participant in header.text.split(",")
        if len(words := participant.split()) > 1 and words[-1] in _ROLES and words[0] in speakers
    }
    named = list(roles)[:_MOST_ROLES]
    if named:
        sentence = ", ".join(f"{{}} is {roles[code]}" for code in named)
        notes.say(f"speakers are named by their codes: {sentence}", *named)
    codes = [header.code for header in headers]
    if "End" not in codes:
        notes.say("it has no `@End`: it may be cut off")
    if codes.count("Begin") > 1:
        notes.say(f"it holds {codes.count('Begin')} transcripts, one after the other, which were read as one")


FORMAT: Final = TranscriptFormat("chat", _recognizes, _read)
