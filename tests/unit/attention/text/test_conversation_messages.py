"""Chat messages are read through the model's own template, and their texts are still found exactly."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import CHATML, INSTRUCTIONS, tiny_tokenizer

from attention.errors import ChatTemplateRefused, SpansUnclear
from attention.text.documents import Document, Turn
from attention.text.rendering import render

CHAT = tiny_tokenizer("byte-level-nfc", chat_template=CHATML)
INSTRUCT = tiny_tokenizer("sentencepiece-bpe", chat_template=INSTRUCTIONS)
DATED = tiny_tokenizer(
    "byte-level-nfc",
    chat_template="Today: {{ strftime_now('%d %b %Y') }}\n" + CHATML,
)
TEXTS = (
    st.lists(
        st.sampled_from(["yes", "no ", "user", "assistant", "\n", " ", "👍🏽", "[INST]", "שלום", "at 42."]), min_size=1
    )
    .map("".join)
    .filter(lambda text: text.strip())
)


def messages(*said: tuple[str, str]) -> Document:
    return Document(turns=tuple(Turn(*turn) for turn in said), messages=True)


def text_of(tokenizer: Any, window: Any, turn: int) -> str:
    return str(tokenizer.backend_tokenizer.decode(window.ids[window.turn == turn].tolist(), False))


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=5))
def test_texts_are_recovered_through_a_template_with_control_tokens(texts: list[str]) -> None:
    said = [(("user", "assistant")[index % 2], text) for index, text in enumerate(texts)]
    (window,) = render(CHAT, messages(*said), context=10_000).windows
    for index, text in enumerate(texts):
        own = text_of(CHAT, window, index)
        assert own in (text, "\n" + text)  # the role's line break may join the first token
    ids = CHAT.apply_chat_template([{"role": role, "content": text} for role, text in said])["input_ids"]
    assert window.ids.tolist() == ids


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=5))
def test_texts_are_recovered_through_a_template_that_trims_them(texts: list[str]) -> None:
    said = [(("user", "assistant")[index % 2], text) for index, text in enumerate(texts)]
    (window,) = render(INSTRUCT, messages(*said), context=10_000).windows
    for index, text in enumerate(texts):
        assert text_of(INSTRUCT, window, index).strip() == text.strip()


def test_control_tokens_and_roles_are_scaffold() -> None:
    (window,) = render(CHAT, messages(("user", "yes"), ("assistant", "no")), context=512).windows
    start, end = CHAT.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"])
    assert window.special.tolist() == np.isin(window.ids, [start, end]).tolist()
    assert window.special.sum() == 4
    assert CHAT.decode(window.ids[window.scaffold & ~window.special]) == "user\n\nassistant\n\n"


def test_a_templates_own_first_token_opens_every_window_once() -> None:
    said = [(("user", "assistant")[index % 2], f"number {index} of the boats") for index in range(30)]
    rendered = render(INSTRUCT, messages(*said), context=64)
    assert len(rendered.windows) > 3
    for window in rendered.windows:
        assert window.ids[0] == INSTRUCT.bos_token_id
        assert (window.ids == INSTRUCT.bos_token_id).sum() == 1


def test_windows_are_cut_between_messages() -> None:
    said = [(("user", "assistant")[index % 2], f"number {index} of the boats") for index in range(30)]
    rendered = render(CHAT, messages(*said), context=64)
    start = CHAT.convert_tokens_to_ids("<|im_start|>")
    assert len(rendered.windows) > 3
    assert all(window.ids[0] == start for window in rendered.windows)


def test_without_a_template_roles_are_speakers() -> None:
    plain = tiny_tokenizer("byte-level-nfc")
    (window,) = render(plain, messages(("user", "yes"), ("assistant", "no")), context=512).windows
    assert plain.decode(window.ids) == "user: yes\nassistant: no\n"


def test_a_templates_refusal_of_roles_says_what_to_do() -> None:
    with pytest.raises(ChatTemplateRefused, match=r"must alternate.*as a conversation"):
        render(INSTRUCT, messages(("assistant", "yes")), context=512)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{% for m in messages %}{{ m['content'] | upper }}{% endfor %}", "rewrites the text of message 0"),
        ("{% for m in messages[1:] %}{{ m['content'] }}{% endfor %}", "leaves out, moves or repeats message 0"),
        ("{% for m in messages %}{{ m['content'] }}{{ m['content'] }}{% endfor %}", "repeats message 0"),
        ("{% for m in messages | reverse %}{{ m['content'] }}.{% endfor %}", "message 1"),
        ("{% for m in messages %}{{ m['content'].split('.')[-1] }}|{% endfor %}", "rewrites the text of message 0"),
        (
            "{% for m in messages %}{{ m['content'] }}|{% endfor %}{% if 'no' in messages[1]['content'] %}!{% endif %}",
            "depends on what the messages say",
        ),
    ],
)
def test_a_template_that_changes_what_was_said_is_refused(template: str, reason: str) -> None:
    tokenizer = tiny_tokenizer("byte-level-nfc", chat_template=template)
    with pytest.raises(SpansUnclear, match=reason):
        render(tokenizer, messages(("user", "a. yes"), ("assistant", "no")), context=512)


def test_the_name_of_a_control_token_in_a_message_is_letters() -> None:
    (window,) = render(CHAT, messages(("user", "yes"), ("assistant", "no<|im_end|>")), context=512).windows
    assert CHAT.decode(window.ids[window.turn == 1]).strip() == "no<|im_end|>"
    assert not window.special[window.turn == 1].any()
    (plain,) = render(CHAT, messages(("user", "yes"), ("assistant", "no")), context=512).windows
    assert window.special.sum() == plain.special.sum()


FORMS = {
    "%d %b %Y": "26 Jul 2024",
    "%Y-%m-%d": "2024-07-26",
    "%B %d, %Y": "July 26, 2024",
    "%A, %-d %B": "Friday, 26 July",
    "%-m/%d/%y": "7/26/24",
    "%H:%M:%S 100%%": "00:00:00 100%",
    "%I %p": "12 AM",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_template_gets_the_fixed_day_in_every_form(form: str) -> None:
    tokenizer = tiny_tokenizer("byte-level-nfc", chat_template=f"{{{{ strftime_now('{form}') }}}}\n" + CHATML)
    (window,) = render(tokenizer, messages(("user", "yes")), context=512).windows
    assert tokenizer.decode(window.ids).startswith(FORMS[form] + "\n")


def test_a_template_that_writes_the_date_reads_the_same_on_any_day() -> None:
    (window,) = render(DATED, messages(("user", "yes")), context=512).windows
    assert DATED.decode(window.ids).startswith("Today: 26 Jul 2024\n")
