"""Every layout by its name, and which one a record has."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from formats.datasets.layouts.columns import NEEDED, columns_of, names_of
from formats.datasets.layouts.convokit import CONVERSATIONS, REPLIES, SPEAKERS, ConvoKit
from formats.datasets.layouts.documents import Documents
from formats.datasets.layouts.fields import is_list_of, shown, value_of
from formats.datasets.layouts.hh import CHOSEN, HH, REJECTED
from formats.datasets.layouts.messages import are_plain
from formats.datasets.layouts.oasst import OASST
from formats.datasets.layouts.openai import OpenAI, has_messages
from formats.datasets.layouts.sharegpt import LISTS as SHAREGPT_LISTS
from formats.datasets.layouts.sharegpt import ShareGPT
from formats.datasets.layouts.utterances import Utterances
from formats.datasets.records import LayoutOf
from formats.errors import UnreadableFile

AUTO: Final = "auto"
BRANCHES: Final = ("preferred", "rejected", "all")


LAYOUTS: Final[Mapping[str, LayoutOf]] = {
    Documents.name: Documents,
    Utterances.name: Utterances,
    ConvoKit.name: ConvoKit,
    ShareGPT.name: ShareGPT,
    OpenAI.name: OpenAI,
    OASST.name: OASST,
    HH.name: HH,
}


def detected(fields: Mapping[str, Any]) -> str:
    """The layout that the fields of a first record show: the first row of the table that holds.

    ===========================================================  ==========
    the record has                                               layout
    ===========================================================  ==========
    `chosen` and `rejected`                                      hh
    `message_id`, `parent_id`, `text`, `role`, and either
    `message_tree_id` or the role `prompter`                     oasst
    `prompt`, an object with `text` and `replies`                oasst
    `turns`, a list                                              documents
    `messages`, all with a `role` and a text and nothing else    documents
    `messages` otherwise                                         openai
    `conversations` or `conversation`, with `from` and `value`   sharegpt
    `conversations` or `conversation`, with `role`, `content`    openai
    `body` or `input` with messages                              openai
    `id`, `text`, a speaker, a conversation, a reply, `meta`     convokit
    columns for a conversation, a speaker and what is said       utterances
    `text`                                                       documents
    ===========================================================  ==========

    Of a conversation, a speaker and a text any of the names in `columns` will do. Raises UnreadableFile, with the
    remedy, for what is known not to be read; what shows nothing is `documents`, and is told what those need.
    """
    if is_list_of(fields.get("segments"), "start", "text") and "turns" not in fields:
        raise UnreadableFile(
            "The file is a speech recognizer's transcript. Send it in a zip, in which it is one document, or by itself "
            "to be analysed, as `transcript`."
        )
    for layout, holds in _TABLE:
        if holds(fields):
            return layout
    _refuse_known(fields)
    return Documents.name


def _has(*names: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda fields: all(name in fields for name in names)


def _is_message_of_tree(fields: Mapping[str, Any]) -> bool:
    in_tree = "message_tree_id" in fields or fields.get("role") == "prompter"
    return in_tree and all(name in fields for name in ("message_id", "parent_id", "text", "role"))


def _is_tree(fields: Mapping[str, Any]) -> bool:
    prompt = value_of(fields.get("prompt"))
    return isinstance(prompt, Mapping) and "text" in prompt and ("replies" in prompt or "message_tree_id" in fields)


def _has_turns(fields: Mapping[str, Any]) -> bool:
    return "turns" in fields and (fields["turns"] is None or isinstance(value_of(fields["turns"]), list))


def _has_plain_messages(fields: Mapping[str, Any]) -> bool:
    return "messages" in fields and (not value_of(fields["messages"]) or are_plain(fields["messages"]))


def _is_sharegpt(fields: Mapping[str, Any]) -> bool:
    return any(is_list_of(fields.get(name), "from", "value") for name in SHAREGPT_LISTS)


def _is_convokit(fields: Mapping[str, Any]) -> bool:
    choices = (SPEAKERS, CONVERSATIONS, REPLIES)
    named = all(any(name in fields for name in names) for names in choices)
    return named and "id" in fields and "text" in fields and isinstance(value_of(fields.get("meta")), Mapping)


def _is_utterance(fields: Mapping[str, Any]) -> bool:
    columns = columns_of(fields)
    return not columns.missing() and not any(
        isinstance(value_of(fields[columns.found[what]]), list | Mapping) for what in NEEDED
    )


_TABLE: Final[tuple[tuple[str, Callable[[Mapping[str, Any]], bool]], ...]] = (
    (HH.name, _has(CHOSEN, REJECTED)),
    (OASST.name, _is_message_of_tree),
    (OASST.name, _is_tree),
    (Documents.name, _has_turns),
    (Documents.name, _has_plain_messages),
    (OpenAI.name, _has("messages")),
    (ShareGPT.name, _is_sharegpt),
    (OpenAI.name, has_messages),
    (ConvoKit.name, _is_convokit),
    (Utterances.name, _is_utterance),
    (Documents.name, _has("text")),
)
_NOT_READ: Final = (
    (("prompt", "completion"), "a prompt and its completion"),
    (("prompt", "response"), "a prompt and its response"),
    (("instruction", "output"), "an instruction and its output"),
    (("instruction", "response"), "an instruction and its response"),
    (("question", "answer"), "a question and its answer"),
    (("conversation_a", "conversation_b"), "two conversations side by side"),
)


def _refuse_known(fields: Mapping[str, Any]) -> None:
    """Raise UnreadableFile for shapes of which it is known how to write them otherwise."""
    for names, what in _NOT_READ:
        if all(name in fields for name in names):
            raise UnreadableFile(
                f"The records have {' and '.join(f'`{name}`' for name in names)}: {what}. Write each as messages: "
                '{"messages": [{"role": "user", "content": ...}, {"role": "assistant", "content": ...}]}.'
            )
    columns = columns_of(fields)
    missing = columns.missing()
    if len(missing) == 1 and "conversation" not in missing:
        known = ", ".join(f"`{name}`" for name in names_of(missing[0])[:4])
        present = " and ".join(shown(columns.found[what]) for what in NEEDED if what in columns.found)
        what = "who speaks" if missing == ["speaker"] else "what is said"
        raise UnreadableFile(
            f"The records have {present}, as utterances have, and no field that says {what}; call it {known}."
        )
