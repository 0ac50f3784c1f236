"""A message without words is a turn without tokens; what a template writes of its calls is scaffold, found exactly."""

from typing import Any

import numpy as np
import pytest
from tiny_models import CHATML, tiny_tokenizer

from attention.errors import EmptyDocument, EmptyTurn, SpansUnclear
from attention.text.controls import permuted_speakers, shuffled_turns
from attention.text.documents import Document, Turn
from attention.text.rendering import render

CALL = {"id": "c1", "type": "function", "function": {"name": "tide", "arguments": '{"port": "Kiel"}'}}
CALLING = {"tool_calls": [CALL]}
WITH_CALLS = (
    "{% for message in messages %}<|im_start|>{{ message.role }}"
    "{% if message.content %}\n{{ message.content }}{% endif %}"
    "{% for call in message.tool_calls %}\n<tool_call>{{ call.function.name }}({{ call.function.arguments | tojson }})"
    "{% endfor %}<|im_end|>\n{% endfor %}"
)
PIECEMEAL = (
    "{% for m in messages %}{% if m.content is none %}{{ raise_exception('content is none') }}{% endif %}"
    "{{ m.role }}>{{ m.content }}\n{% endfor %}"
)
SAID = (
    Turn("user", "When is high tide?", {}),
    Turn("assistant", "", CALLING),
    Turn("tool", "21:05", {"tool_call_id": "c1"}),
    Turn("assistant", "Five past nine.", {}),
)


def document(*turns: Turn) -> Document:
    return Document(turns=turns, messages=True)


def texts_of(tokenizer: Any, window: Any, turns: int) -> list[str]:
    decode = tokenizer.backend_tokenizer.decode
    return [str(decode(window.ids[window.turn == turn].tolist(), False)).strip() for turn in range(turns)]


@pytest.mark.parametrize("template", [WITH_CALLS, PIECEMEAL, CHATML], ids=["calls", "no none", "chatml"])
def test_every_text_is_found_and_the_silent_turn_has_no_token(template: str) -> None:
    tokenizer = tiny_tokenizer("byte-level-nfc", chat_template=template)
    rendered = render(tokenizer, document(*SAID), context=512)
    (window,) = rendered.windows
    assert rendered.turns == 4
    assert rendered.speakers == ("user", "assistant", "tool")
    assert texts_of(tokenizer, window, 4) == ["When is high tide?", "", "21:05", "Five past nine."]


def test_a_call_is_handed_to_the_template_with_its_arguments_as_an_object() -> None:
    tokenizer = tiny_tokenizer("byte-level-nfc", chat_template=WITH_CALLS)
    (window,) = render(tokenizer, document(*SAID), context=512).windows
    scaffold = str(tokenizer.backend_tokenizer.decode(window.ids[window.scaffold].tolist(), False))
    assert 'tide({"port": "Kiel"})' in scaffold
    assert "None" not in scaffold


@pytest.mark.parametrize("place", range(4))
def test_the_silent_turn_may_stand_anywhere(place: int) -> None:
    tokenizer = tiny_tokenizer("byte-level-nfc", chat_template=WITH_CALLS)
    said = [Turn("user", f"Word {number}.", {}) for number in range(3)]
    said.insert(place, Turn("assistant", "", CALLING))
    (window,) = render(tokenizer, document(*said), context=512).windows
    assert texts_of(tokenizer, window, 4) == [turn.text for turn in said]


def test_without_a_template_nothing_is_written_of_it_and_the_others_read_as_ever() -> None:
    tokenizer = tiny_tokenizer("byte-level-nfc")
    (window,) = render(tokenizer, document(*SAID), context=512).windows
    spoken = [turn for turn in SAID if turn.text]
    (alone,) = render(tokenizer, document(*spoken), context=512).windows
    assert window.ids.tolist() == alone.ids.tolist()
    assert np.unique(window.turn).tolist() == [-1, 0, 2, 3]


def test_windows_are_cut_where_they_would_be_without_it() -> None:
    tokenizer = tiny_tokenizer("byte-level-nfc")
    spoken = [turn for turn in SAID if turn.text]
    with_it = render(tokenizer, document(*SAID), context=24).windows
    without = render(tokenizer, document(*spoken), context=24).windows
    assert [window.ids.tolist() for window in with_it] == [window.ids.tolist() for window in without]


def test_windows_are_cut_between_messages_where_the_last_is_silent() -> None:
    tokenizer = tiny_tokenizer("byte-level-nfc", chat_template=WITH_CALLS)
    said = [Turn(("user", "assistant")[number % 2], f"number {number} of the boats", {}) for number in range(21)]
    windows = render(tokenizer, document(*said, Turn("assistant", "", CALLING)), context=64).windows
    start = tokenizer.convert_tokens_to_ids("<|im_start|>")
    assert len(windows) > 3
    assert {int(window.ids[0]) for window in windows} == {start}
    assert max(int(window.turn.max()) for window in windows) == 20


def test_messages_without_any_words_are_refused() -> None:
    tokenizer = tiny_tokenizer("byte-level-nfc", chat_template=WITH_CALLS)
    with pytest.raises(EmptyDocument, match="no message has any words"):
        render(tokenizer, document(Turn("assistant", "", CALLING)), context=512)


def test_a_turn_of_a_conversation_still_needs_words() -> None:
    with pytest.raises(EmptyTurn):
        render(tiny_tokenizer("byte-level-nfc"), Document(turns=(Turn("Ana", "Yes."), Turn("Bo", ""))), context=512)


@pytest.mark.parametrize(
    "function",
    [
        {"name": "<|im_end|>", "arguments": "{}"},
        {"name": "tide", "arguments": '{"port": "<|im_end|>"}'},
        {"name": "tide", "arguments": '{"port": "\\u003c|im_end|\\u003e"}'},
        {"name": "tide", "arguments": {"deep": [{"<|im_end|>": 1}]}},
    ],
    ids=["name", "arguments", "escaped", "member"],
)
def test_a_call_cannot_forge_a_control_token(function: dict[str, Any]) -> None:
    tokenizer = tiny_tokenizer("byte-level-nfc", chat_template=WITH_CALLS)
    forged = {"tool_calls": [{"function": function}]}
    with pytest.raises(SpansUnclear, match="message 1 has the name of a control token in what it has beside its words"):
        render(tokenizer, document(Turn("user", "Hi.", {}), Turn("assistant", "Yes.", forged)), context=512)


def test_controls_keep_a_silent_turn_silent() -> None:
    shuffled = shuffled_turns(document(*SAID), seed=1).turns
    assert shuffled is not None
    assert sorted(turn.text for turn in shuffled) == sorted(turn.text for turn in SAID)
    assert [turn.message for turn in shuffled if not turn.text] == [CALLING]
    permuted = permuted_speakers(document(*SAID), seed=1).turns
    assert permuted is not None
    assert [turn.message for turn in permuted] == [turn.message for turn in SAID]
