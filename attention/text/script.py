"""Documents as one string: what a model is given to read, and where in it the text of each turn stands."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from attention.errors import BadSpeaker, ChatTemplateRefused, EmptyDocument, EmptyTurn, SpansUnclear
from attention.text.chat_template import texts_beside_words, written_by_template
from attention.text.documents import Document, Labels, Turn
from attention.text.tokens import FastTokenizer, TokenReader, Tokens, token_reader

_MARK: Final = re.compile("\ue000[0-9]+\ue001")


@dataclass(frozen=True, slots=True, eq=False)
class Script:
    """A document's text as a model reads it; the content of turn t is `text[start[t]:end[t]]`, T turns in order.

    A turn's part of the script, label included, begins at `opening[t]`. A plain text has no turns. A script from a chat
    template carries its own control tokens (`control`).
    """

    text: str
    start: NDArray[np.int64]  # (T,) characters
    end: NDArray[np.int64]  # (T,) characters
    opening: NDArray[np.int64]  # (T,) characters
    control: bool = False


def write_script(document: Document, tokenizer: FastTokenizer, labels: Labels) -> Script:
    """The script of a document: a plain text as it is, turns as lines, messages by the model's chat template.

    Messages for a model without a chat template are written as lines with the roles as speakers.

    Raises EmptyDocument, EmptyTurn, BadSpeaker, ChatTemplateRefused or SpansUnclear.
    """
    if document.messages and document.turns is not None and tokenizer.chat_template:
        _check(document.turns)
        _check_for_control(document.turns, tokenizer)
        return _by_chat_template(document.turns, tokenizer)
    return plain_script(document, labels)


def plain_script(document: Document, labels: Labels) -> Script:
    """The script that does not depend on the model: a plain text as it is, turns and messages as lines.

    Raises EmptyDocument, EmptyTurn or BadSpeaker.
    """
    if (document.text is None) == (document.turns is None):
        raise ValueError("a document has either a text or turns")
    if document.text is not None:
        if not document.text.strip():
            raise EmptyDocument("the text is empty; send at least one word")
        nowhere = np.empty(0, dtype=np.int64)
        return Script(document.text, nowhere, nowhere, nowhere)
    turns = document.turns or ()
    _check(turns)
    return _as_lines(turns, labels)


def _check(turns: Sequence[Turn]) -> None:
    if not turns:
        raise EmptyDocument("the conversation has no turns; send at least one")
    if all(not turn.text and turn.message is not None for turn in turns):
        raise EmptyDocument("no message has any words; send at least one that has")
    for index, turn in enumerate(turns):
        if not turn.text.strip() and (turn.text or turn.message is None):
            raise EmptyTurn(f"turn {index} has no text; leave it out or fill it", index)
        if not turn.speaker.strip():
            raise BadSpeaker(f"turn {index} names no speaker", index)
        if turn.speaker != "".join(turn.speaker.splitlines()):
            raise BadSpeaker(f"the speaker of turn {index} has a line break in the name; names are one line", index)


def _check_for_control(turns: Sequence[Turn], tokenizer: FastTokenizer) -> None:
    """A template writes roles and calls among its own words, where a control token's name would become that token."""
    reader = token_reader(tokenizer)

    def has_control(text: str) -> bool:
        return bool(reader.read(text, control=True).special.any())

    for role in dict.fromkeys(turn.speaker for turn in turns):
        if has_control(role):
            index = next(index for index, turn in enumerate(turns) if turn.speaker == role)
            raise BadSpeaker(f"the role of message {index} has the name of a control token in it", index)
    for index, turn in enumerate(turns):
        if turn.message and has_control("\n".join(texts_beside_words(turn))):
            raise SpansUnclear(
                f"message {index} has the name of a control token in what it has beside its words; take it out, or "
                "send the messages as a conversation instead"
            )


def _as_lines(turns: Sequence[Turn], labels: Labels) -> Script:
    """Every turn as `Speaker: text` and a newline, or without the label; of a turn without words nothing is written."""
    pieces: list[str] = []
    start, end, opening = [], [], [0]
    place = 0
    for turn in turns:
        if not turn.text:
            continue
        label = f"{turn.speaker}: " if labels == "keep" else ""
        start.append(place + len(label))
        end.append(place + len(label) + len(turn.text))
        place = end[-1] + 1
        opening.append(place)
        pieces += (label, turn.text, "\n")
    script = Script("".join(pieces), _places(start), _places(end), _places(opening[:-1]))
    return _with_silent_turns(script, turns)


def _by_chat_template(turns: Sequence[Turn], tokenizer: FastTokenizer) -> Script:
    """The messages as the model's chat template writes them.

    The template is run a second time on marks in place of the texts: what stands between the marks is the template's
    own text, and what stands between those in the script is content. A template may trim the space around a text; one
    that changes a text otherwise is refused, for its spans would be a guess.
    """
    spoken = [index for index, turn in enumerate(turns) if turn.text]
    marks = {index: f"\ue000{index}\ue001" for index in spoken}
    texts = [marks.get(index, "") for index in range(len(turns))]
    script = written_by_template(tokenizer, turns, [turn.text for turn in turns])
    between = _between_marks(written_by_template(tokenizer, turns, texts), [*marks.values()])
    closing = _closing(tokenizer, turns[: spoken[-1] + 1], texts) if spoken[-1] + 1 < len(turns) else between[-1]
    start, end, opening = [], [], [0]
    place = len(between[0])
    clear = script.startswith(between[0])
    for index, after in zip(spoken, between[1:], strict=True):
        text = turns[index].text
        for content in (text, text.strip(), text.lstrip(), text.rstrip()):
            if script.startswith(content, place) and script.startswith(after, place + len(content)):
                break
        else:
            clear = False
        if not clear:
            raise SpansUnclear(
                f"the model's chat template rewrites the text of message {index}, so that its tokens cannot be "
                "found exactly; send the messages as a conversation instead"
            )
        start.append(place)
        end.append(place + len(content))
        place = end[-1] + len(after)
        opening.append(end[-1] + (len(closing) if after.startswith(closing) else 0))
    if place != len(script):
        raise SpansUnclear(
            "the model's chat template adds text that depends on what the messages say; "
            "send the messages as a conversation instead"
        )
    return _with_silent_turns(Script(script, _places(start), _places(end), _places(opening[:-1]), control=True), turns)


def _between_marks(marked: str, marks: Sequence[str]) -> list[str]:
    """What a template writes before, between and after the marks of the messages that have words."""
    known = set(marks)
    found = [match for match in _MARK.finditer(marked) if match[0] in known]
    if [match[0] for match in found] != list(marks):
        times = Counter(match[0] for match in found)
        moved = (match[0] for match, mark in zip(found, marks, strict=False) if match[0] != mark)
        wrong = next((mark for mark in marks if times[mark] != 1), None) or next(moved)
        raise SpansUnclear(
            f"the model's chat template leaves out, moves or repeats message {wrong[1:-1]}; "
            "send the messages as a conversation instead"
        )
    borders = [0, *(border for match in found for border in match.span()), len(marked)]
    return [marked[start:end] for start, end in zip(borders[::2], borders[1::2], strict=True)]


def _closing(tokenizer: FastTokenizer, turns: Sequence[Turn], texts: Sequence[str]) -> str:
    """What a template closes messages with, as it does the last of `turns`; nothing where it takes no such ending."""
    try:
        return written_by_template(tokenizer, turns, texts[: len(turns)]).rpartition(texts[len(turns) - 1])[2]
    except ChatTemplateRefused:
        return ""


def _with_silent_turns(script: Script, turns: Sequence[Turn]) -> Script:
    """The script of the turns that have words, with those that have none: nothing, where the turn before them ends.

    Whatever a template writes for such a turn is its own text.
    """
    spoken = np.array([bool(turn.text) for turn in turns])  # (T,)
    if spoken.all():
        return script
    before = np.cumsum(spoken)  # (T,) how many turns with words there are up to each
    end = np.concatenate([[0], script.end])[before]
    start = np.where(spoken, np.concatenate([[0], script.start])[before], end)
    return replace(script, start=start, end=end, opening=np.concatenate([[0], script.opening])[before])


def _places(characters: list[int]) -> NDArray[np.int64]:
    return np.array(characters, dtype=np.int64)


def turns_of_tokens(tokens: Tokens, script: Script) -> NDArray[np.int32]:
    """For every token the turn whose content it is, or -1; shape (n,).

    A token that touches a turn's text is that turn's content, even where it holds a space or newline beside it. A token
    that touches several turns belongs to the one with most of its characters, the earliest of equals. A token
    without characters of its own goes with the character it stands before. A control token is no turn's content, nor is
    the white space of a text that it takes with it.
    """
    found = np.full(len(tokens), -1, dtype=np.int32)
    if not len(script.start):
        return found
    reach = np.maximum(tokens.end, tokens.start + 1)  # (n,)
    first = np.searchsorted(script.end, tokens.start, side="right")  # (n,) first turn that ends after the token begins
    last = np.searchsorted(script.start, reach, side="left") - 1  # (n,) last turn that begins before the token ends
    found[first == last] = first[first == last]
    for token in np.flatnonzero(first < last):
        shared = [
            int(min(reach[token], script.end[turn]) - max(tokens.start[token], script.start[turn]))
            for turn in range(first[token], last[token] + 1)
        ]
        found[token] = first[token] + int(np.argmax(shared))
    found[tokens.special] = -1
    return found


def read_script(reader: TokenReader, script: Script) -> Tokens:
    """Tokens of a script. Where a template has written it, its control tokens are those; a person's are letters.

    What stands between two control tokens of the template is read as a whole, so a text without such names in it reads
    as in the script read at once. Raises SpansUnclear where a text and the template make a control token together.
    """
    tokens = reader.read(script.text, control=script.control)
    if not script.control:
        return tokens
    forged = _forged(tokens, script)
    if not forged.any():
        return tokens
    parts: list[Tokens] = []
    borders = [-1, *np.flatnonzero(tokens.special & ~forged).tolist(), len(tokens)]
    for before, after in pairwise(borders):
        between = slice(before + 1, after)
        if forged[between].any():
            begin = int(tokens.end[before]) if before >= 0 else 0
            end = int(tokens.start[after]) if after < len(tokens) else len(script.text)
            piece = script.text[begin:end]
            own = reader.read_inside(piece) if before >= 0 else reader.read(piece)
            parts.append(own.moved(begin))
        else:
            parts.append(tokens[between])
        parts.append(tokens[after : after + 1])
    return Tokens.joined(parts)


def _forged(tokens: Tokens, script: Script) -> NDArray[np.bool_]:
    """Which control tokens have their names in the text of a turn. (n,)"""
    found = np.zeros(len(tokens), dtype=np.bool_)
    for place in np.flatnonzero(tokens.special):
        start, end = int(tokens.start[place]), int(tokens.end[place])
        name = script.text[start:end]
        begin, stop = start + len(name) - len(name.lstrip()), end - len(name) + len(name.rstrip())
        turn = int(np.searchsorted(script.end, begin, side="right"))  # the first that ends after the name begins
        if turn == len(script.start) or script.start[turn] >= stop:
            continue
        if begin < script.start[turn] or stop > script.end[turn]:
            raise SpansUnclear(
                f"message {turn} and the model's chat template make a control token together; send the messages as a "
                "conversation instead"
            )
        found[place] = True
    return found


def openings_of_tokens(tokens: Tokens, script: Script) -> NDArray[np.int64]:
    """The tokens at which a turn's part of the script begins: where a window may be cut. Sorted, shape (<= T,)."""
    return np.unique(np.searchsorted(tokens.start, script.opening, side="left"))
