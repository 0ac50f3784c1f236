"""A model's own chat template: what it writes of messages, and what messages hand to it beside their words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from attention.errors import ChatTemplateRefused
from attention.text.documents import Turn
from attention.text.tokens import FastTokenizer

TEMPLATE_DATE: Final = datetime(2024, 7, 26)
"""The date that chat templates are given, so that a document reads the same on any day."""

_CODES: Final = {code: TEMPLATE_DATE.strftime(f"%{code}") for code in "aAwdbBmyYHIMSfzZpjUWcxXGuVeDFTRhCnt%"}
_UNPADDED: Final = {code: said.lstrip("0 ") or "0" for code, said in _CODES.items() if said.strip().isdigit()}

_CLOCK: Final = (
    "{% macro strftime_now(format) %}{% set at = namespace(code=false, short=false) %}{% for letter in format %}"
    "{% if not at.code %}{% if letter == '%' %}{% set at.code = true %}{% else %}{{ letter }}{% endif %}"
    "{% elif letter == '-' %}{% set at.short = true %}"
    f"{{% else %}}{{{{ ({json.dumps(_UNPADDED)} if at.short else {json.dumps(_CODES)}).get(letter, '%' + letter) }}}}"
    "{% set at.code = false %}{% set at.short = false %}{% endif %}{% endfor %}{% endmacro %}\n"
)
"""Templates get the date from a function of this name; the macro stands before it and gives the fixed day."""


def written_by_template(tokenizer: FastTokenizer, turns: Sequence[Turn], texts: Sequence[str]) -> str:
    """What the chat template writes of messages with these texts. Raises ChatTemplateRefused.

    A message without words has an empty text: templates write `None` for one that has none at all.
    """
    try:
        template = tokenizer.get_chat_template()
        written = tokenizer.apply_chat_template(
            [
                {**beside_words(turn), "role": turn.speaker, "content": text}
                for turn, text in zip(turns, texts, strict=True)
            ],
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


def beside_words(turn: Turn) -> dict[str, Any]:
    """What a message has beside its role and words, as templates expect it: arguments of calls are objects."""
    beside = dict(turn.message or {})
    if beside.get("tool_calls"):
        beside["tool_calls"] = [_with_object(call) for call in beside["tool_calls"]]
    return beside


def texts_beside_words(turn: Turn) -> Iterator[str]:
    """Every text in `beside_words`, the names of members included."""
    waiting: list[Any] = [beside_words(turn)]
    while waiting:
        held = waiting.pop()
        if isinstance(held, str):
            yield held
        elif isinstance(held, Mapping):
            waiting += [*held.keys(), *held.values()]
        elif isinstance(held, list):
            waiting += held


def _with_object(call: Any) -> Any:
    """A call, with its function's arguments as an object where they are the JSON of one.

    Some write the members of the function as those of the call itself.
    """
    if not isinstance(call, Mapping):
        return call
    function = call.get("function")
    return {**call, "function": _parsed(function)} if isinstance(function, Mapping) else _parsed(call)


def _parsed(function: Mapping[str, Any]) -> dict[str, Any]:
    arguments = function.get("arguments")
    return {**function, "arguments": _as_object(arguments)} if isinstance(arguments, str) else dict(function)


def _as_object(arguments: str) -> Any:
    try:
        found = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    return found if isinstance(found, dict) else arguments
