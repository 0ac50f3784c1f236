"""Messages with calls, through chat templates of the shapes that published models have: what is written exactly."""

from pathlib import Path
from typing import Any, Final

import pytest
from tiny_models import tiny_tokenizer

from attention.errors import ChatTemplateRefused, SpansUnclear
from attention.model.gguf.header import read_header
from attention.model.gguf.tokenizer import gguf_tokenizer
from attention.model.source.packaged import packaged_smollm2
from attention.text.documents import Document, Turn
from attention.text.rendering import render
from attention.text.script import write_script

QWEN: Final = """
{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- else %}
    {{- '<|im_start|>system\\nBe of use.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'system' and not loop.first or message.role == 'user'
        or message.role == 'assistant' and not message.tool_calls %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- elif message.role == 'assistant' %}
        {{- '<|im_start|>assistant' }}
        {%- if message.content %}
            {{- '\\n' + message.content }}
        {%- endif %}
        {%- for call in message.tool_calls %}
            {%- if call.function is defined %}
                {%- set call = call.function %}
            {%- endif %}
            {{- '\\n<tool_call>\\n{"name": "' + call.name + '", "arguments": ' }}
            {{- call.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == 'tool' %}
        {%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
        {%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
"""
"""Calls in marks of their own; neighbouring results of tools are one message of the user."""

LLAMA: Final = """
{{- bos_token }}
{%- for message in messages %}
    {%- if 'tool_calls' in message %}
        {%- if message.tool_calls | length != 1 %}
            {{- raise_exception('one call at a time') }}
        {%- endif %}
        {%- set call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
        {{- '{"name": "' + call.name + '", "parameters": ' }}{{ call.arguments | tojson }}{{ '}<|eot_id|>' }}
    {%- elif message.role == 'tool' %}
        {{- '<|start_header_id|>ipython<|end_header_id|>\\n\\n' }}
        {%- if message.content is mapping %}{{ message.content | tojson }}{% else %}{{ message.content }}{% endif %}
        {{- '<|eot_id|>' }}
    {%- else %}
        {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' + message.content | trim + '<|eot_id|>' }}
    {%- endif %}
{%- endfor %}
"""
"""A message with a call has no words; a single call is taken."""

SMOLLM: Final = (
    "{% for message in messages %}"
    "{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nBe of use.<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
)
"""Knows of no calls, and writes an empty message for one that has no words."""

UNCONDITIONAL: Final = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
"""Prints the content whatever it is: `None` for one that is none."""

CALL = {"id": "c1", "type": "function", "function": {"name": "tide", "arguments": '{"port": "Kiel"}'}}
CALLING = {"tool_calls": [CALL]}
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


@pytest.mark.parametrize(
    ("template", "written"),
    [
        (
            QWEN,
            "<|im_start|>system\nBe of use.<|im_end|>\n<|im_start|>user\nWhen is high tide?<|im_end|>\n"
            '<|im_start|>assistant\n<tool_call>\n{"name": "tide", "arguments": {"port": "Kiel"}}\n</tool_call>'
            "<|im_end|>\n"
            "<|im_start|>user\n<tool_response>\n21:05\n</tool_response><|im_end|>\n"
            "<|im_start|>assistant\nFive past nine.<|im_end|>\n",
        ),
        (
            LLAMA,
            "<|start_header_id|>user<|end_header_id|>\n\nWhen is high tide?<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n"
            '{"name": "tide", "parameters": {"port": "Kiel"}}<|eot_id|>'
            "<|start_header_id|>ipython<|end_header_id|>\n\n21:05<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nFive past nine.<|eot_id|>",
        ),
        (
            SMOLLM,
            "<|im_start|>system\nBe of use.<|im_end|>\n<|im_start|>user\nWhen is high tide?<|im_end|>\n"
            "<|im_start|>assistant\n<|im_end|>\n<|im_start|>tool\n21:05<|im_end|>\n"
            "<|im_start|>assistant\nFive past nine.<|im_end|>\n",
        ),
        (UNCONDITIONAL, "user: When is high tide?\nassistant: \ntool: 21:05\nassistant: Five past nine.\n"),
    ],
    ids=["qwen", "llama", "smollm", "unconditional"],
)
def test_a_model_reads_what_its_template_writes_and_nothing_else(template: str, written: str) -> None:
    script = write_script(document(*SAID), tiny_tokenizer("byte-level-nfc", chat_template=template), "keep")
    assert script.text == written
    assert [script.text[start:end] for start, end in zip(script.start, script.end, strict=True)] == [
        "When is high tide?", "", "21:05", "Five past nine."
    ]  # fmt: skip
    assert script.start[1] == script.end[1] == script.end[0]
    tokenizer = tiny_tokenizer("byte-level-nfc", chat_template=template)
    (window,) = render(tokenizer, document(*SAID), context=512).windows
    assert texts_of(tokenizer, window, 4) == ["When is high tide?", "", "21:05", "Five past nine."]


def test_the_packaged_decoder_reads_messages_with_calls() -> None:
    source = packaged_smollm2(Path("unused"))
    assert source.path is not None
    assert source.gguf is not None
    tokenizer = gguf_tokenizer(source.id, read_header(source.id, source.path / source.gguf))
    (window,) = render(tokenizer, document(*SAID), context=512).windows
    assert texts_of(tokenizer, window, 4) == ["When is high tide?", "", "21:05", "Five past nine."]
    (opening,) = tokenizer.convert_tokens_to_ids(["<|im_start|>"])
    assert (window.ids == opening).sum() == 5  # with the system message that the template adds


def test_words_and_a_call_in_one_message_are_the_words_and_scaffold() -> None:
    both = (Turn("user", "When?", {}), Turn("assistant", "I will look.", CALLING), Turn("tool", "21:05", {}))
    tokenizer = tiny_tokenizer("byte-level-nfc", chat_template=QWEN)
    (window,) = render(tokenizer, document(*both), context=512).windows
    assert texts_of(tokenizer, window, 3) == ["When?", "I will look.", "21:05"]
    with pytest.raises(SpansUnclear, match="leaves out, moves or repeats message 1"):
        render(tiny_tokenizer("byte-level-nfc", chat_template=LLAMA), document(*both), context=512)


def test_a_call_that_a_template_does_not_take_is_refused_by_it() -> None:
    twice = {"tool_calls": [CALL, CALL]}
    tokenizer = tiny_tokenizer("byte-level-nfc", chat_template=LLAMA)
    with pytest.raises(ChatTemplateRefused, match="one call at a time"):
        render(tokenizer, document(Turn("user", "When?", {}), Turn("assistant", "", twice)), context=512)


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        ('{"b": 1, "a": [null, "é"]}', '{"b": 1, "a": [null, "é"]}'),
        ({"b": 1}, '{"b": 1}'),
        ("Kiel", '"Kiel"'),
        ("[1]", '"[1]"'),
        ("[" * 100_000, None),
    ],
)
@pytest.mark.parametrize("flat", [False, True])
def test_arguments_are_an_object_where_they_are_the_json_of_one(
    arguments: Any, written: str | None, flat: bool
) -> None:
    function = {"name": "tide", "arguments": arguments}
    call = {"tool_calls": [function if flat else {"function": function}]}
    tokenizer = tiny_tokenizer("byte-level-nfc", chat_template=QWEN)
    script = write_script(document(Turn("user", "When?", {}), Turn("assistant", "", call)), tokenizer, "keep")
    expected = f'"{arguments}"' if written is None else written
    assert f'<tool_call>\n{{"name": "tide", "arguments": {expected}}}\n</tool_call>' in script.text
