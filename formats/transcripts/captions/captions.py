"""From cues to pieces of speech."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from formats.errors import BadTranscript
from formats.notes import Notes
from formats.transcripts.captions.cues import NAMED_NUMBER, Cue, Cues, Grammar, is_blank
from formats.transcripts.captions.markup import Shown, shown_lines, words
from formats.transcripts.captions.rolling import without_repeats
from formats.transcripts.captions.screen import Caption
from formats.transcripts.pieces import Content, Parsed, Piece


def cues_of(content: Content, grammar: Grammar, notes: Notes, example: str) -> Sequence[Cue]:
    """The cues of a file that is cues alone, whose times are as in `example`.

    Raises BadTranscript where no line is the times of a cue though some have words.
    """
    found = Cues(content.lines, grammar, notes)
    if not found.times:
        for number, line in enumerate(content.lines, start=1):
            if not is_blank(line):
                raise BadTranscript(
                    f"line {number} does not begin a cue, and no line does: a cue's times are as in "
                    f"`{example}`; name the `format` that the transcript has",
                    number,
                )
    return found.read()


def parsed(cues: Sequence[Cue], notes: Notes) -> Parsed:
    """What is said in cues: by voices, else by names that cues are numbered with, else by nobody that is named."""
    captions = [_caption(cue) for cue in cues]
    named = any(line.speaker for caption in captions for line in caption.lines)
    if not named:
        captions = [_numbered(cue, caption) for cue, caption in zip(cues, captions, strict=True)]
        named = any(line.speaker for caption in captions for line in caption.lines)
    captions = without_repeats(captions, notes)
    return Parsed("cues", named, [piece for caption in captions for piece in _pieces(caption)], notes)


def _caption(cue: Cue) -> Caption:
    below = bool(cue.text) and cue.text[0] != "" and not cue.text[0].strip()
    lines = shown_lines(cue.text, cue.first)
    return Caption(cue.start, cue.end, tuple(lines), below, " ".join(" ".join(cue.text).split()))


def _numbered(cue: Cue, caption: Caption) -> Caption:
    found = NAMED_NUMBER.fullmatch(cue.identifier)
    speaker = words(found[1]) if found else None
    return (
        replace(caption, lines=tuple(replace(line, speaker=speaker) for line in caption.lines)) if speaker else caption
    )


def _pieces(caption: Caption) -> Iterator[Piece]:
    """One piece a speaker. An empty line of the file is kept, so that each line's number can be counted."""
    spoken: list[Shown] = []
    for line in caption.lines:
        if spoken and line.speaker != spoken[-1].speaker:
            yield _piece(caption, spoken)
            spoken = []
        spoken.append(line)
    if spoken:
        yield _piece(caption, spoken)


def _piece(caption: Caption, spoken: Sequence[Shown]) -> Piece:
    number = spoken[0].number
    text = spoken[0].text
    parts = [text]
    for line in spoken[1:]:
        parts.append("\n" * max(line.number - number, 1) + line.text)
        number = line.number
    return Piece("".join(parts), spoken[0].number, spoken[0].speaker, caption.start, caption.end)
