"""Documents as one string: what a model is given to read, and where in it the text of each turn stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from attention.errors import BadSpeaker, ChatTemplateRefused, EmptyDocument, EmptyTurn, SpansUnclear
from attention.text.documents import Document, Labels, Turn
from attention.text.tokens import FastTokenizer, Tokens

TEMPLATE_DATE: Final = datetime(2024, 7, 26)
"""The date that chat templates are given, so that a document reads the same on any day."""

# Templates get the date from a function of this name; the macro replaces it and gives the fixed day.
_CLOCK: Final = (
    "{% macro strftime_now(format) %}{{ format"
    + "".join(f" | replace('{code}', '{TEMPLATE_DATE.strftime(code)}')" for code in map("%{}".format, "YymdBbAaHMSjFp"))
    + " }}{% endmacro %}\n"
)


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
    for index, turn in enumerate(turns):
        if not turn.text.strip():
            raise EmptyTurn(f"turn {index} has no text; leave it out or fill it", index)
        if not turn.speaker.strip():
            raise BadSpeaker(f"turn {index} names no speaker", index)
        if turn.speaker != "".join(turn.speaker.splitlines()):
            raise BadSpeaker(f"the speaker of turn {index} has a line break in the name; names are one line", index)


def _as_lines(turns: Sequence[Turn], labels: Labels) -> Script:
    """Every turn as `Speaker: text` and a newline, or without the label."""
    pieces: list[str] = []
    start, end, opening = [], [], []
    place = 0
    for turn in turns:
        label = f"{turn.speaker}: " if labels == "keep" else ""
        opening.append(place)
        start.append(place + len(label))
        end.append(place + len(label) + len(turn.text))
        place = end[-1] + 1
        pieces += (label, turn.text, "\n")
    return Script("".join(pieces), _places(start), _places(end), _places(opening))


def _by_chat_template(turns: Sequence[Turn], tokenizer: FastTokenizer) -> Script:
    """The messages as the model's chat template writes them.

    The template is run a second time on marks in place of the texts: what stands between the marks is the template's
    own text, and what stands between those in the script is content. A template may trim the space around a text; one
    that changes a text otherwise is refused, for its spans would be a guess.
    """
    marks = [f"\ue000{index}\ue001" for index in range(len(turns))]
    script = _apply(tokenizer, [(turn.speaker, turn.text) for turn in turns])
    marked = _apply(tokenizer, [(turn.speaker, mark) for turn, mark in zip(turns, marks, strict=True)])
    between: list[str] = []
    place = 0
    for index, mark in enumerate(marks):
        found = marked.find(mark, place)
        if found < 0 or marked.find(mark, found + len(mark)) >= 0:
            raise SpansUnclear(
                f"the model's chat template leaves out, moves or repeats message {index}; "
                "send the messages as a conversation instead"
            )
        between.append(marked[place:found])
        place = found + len(mark)
    between.append(marked[place:])

    closing = between[-1]
    start, end, opening = [], [], [0]
    place = len(between[0])
    clear = script.startswith(between[0])
    for index, (turn, after) in enumerate(zip(turns, between[1:], strict=True)):
        for content in (turn.text, turn.text.strip(), turn.text.lstrip(), turn.text.rstrip()):
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
    return Script(script, _places(start), _places(end), _places(opening[:-1]), control=True)


def _places(characters: list[int]) -> NDArray[np.int64]:
    return np.array(characters, dtype=np.int64)


def _apply(tokenizer: FastTokenizer, messages: Sequence[tuple[str, str]]) -> str:
    try:
        template = tokenizer.get_chat_template()
        written = tokenizer.apply_chat_template(
            [{"role": role, "content": content} for role, content in messages],
            chat_template=_CLOCK + template if "strftime_now" in template else template,
            tokenize=False,
            add_generation_prompt=False,
        )
    except Exception as error:  # a template is the model's own program, in a sandbox: it may fail in any way
        raise ChatTemplateRefused(
            f"the model's chat template does not take these messages ({error}); change the roles or their order, "
            "or send them as a conversation"
        ) from error
    return str(written)


def turns_of_tokens(tokens: Tokens, script: Script) -> NDArray[np.int32]:
    """For every token the turn whose content it is, or -1; shape (n,).

    A token that touches a turn's text is that turn's content, even where it holds a space or newline beside it. A token
    that touches several turns belongs to the one with most of its characters, the earliest of equals. A token
    without characters of its own goes with the character it stands before.

    Raises SpansUnclear where a message's text was read as a control token.
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
    mistaken = np.flatnonzero(tokens.special & (found >= 0))
    if len(mistaken):
        raise SpansUnclear(
            f"message {found[mistaken[0]]} contains the name of one of the model's control tokens; "
            "take it out, or send the messages as a conversation, where it is read as text"
        )
    return found


def openings_of_tokens(tokens: Tokens, script: Script) -> NDArray[np.int64]:
    """The tokens at which a turn's part of the script begins: where a window may be cut. Sorted, shape (<= T,)."""
    return np.unique(np.searchsorted(tokens.start, script.opening, side="left"))
