"""Real meetings, consultations and interviews of up to 1,100 turns, where HEARKEN_CORPORA names their folder."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from tiny_models import CHATML, KINDS, tiny_model, tiny_tokenizer

from attention.model.loading import open_model
from attention.model.model import ModelSource
from attention.model.source.packaged import packaged_minilm
from attention.text.documents import Document, Turn
from attention.text.rendering import render
from attention.text.script import turns_of_tokens, write_script
from attention.text.tokens import token_reader

FOLDER = os.environ.get("HEARKEN_CORPORA")
pytestmark = [
    pytest.mark.corpora,
    pytest.mark.skipif(not FOLDER, reason="HEARKEN_CORPORA does not name the corpus folder"),
]


@pytest.fixture(scope="module")
def conversations() -> list[Document]:
    lines = (Path(FOLDER or "") / "conversation.jsonl").read_text(encoding="utf-8").splitlines()
    return [Document(turns=tuple(Turn(**turn) for turn in json.loads(line)["turns"])) for line in lines]


def test_the_corpus_has_long_meetings_of_many_speakers(conversations: list[Document]) -> None:
    assert len(conversations) == 120
    assert max(len(document.turns or ()) for document in conversations) > 900


@pytest.mark.parametrize("kind", KINDS)
def test_every_letter_of_every_conversation_belongs_to_its_turn(kind: str, conversations: list[Document]) -> None:
    tokenizer = tiny_tokenizer(kind)
    for document in conversations:
        script = write_script(document, tokenizer, "keep")
        tokens = token_reader(tokenizer).read(script.text)
        turn = turns_of_tokens(tokens, script)
        held = np.full(len(script.text), -1)
        for token in np.flatnonzero(turn >= 0):
            held[tokens.start[token] : tokens.end[token]] = turn[token]
        for index, (start, end) in enumerate(zip(script.start, script.end, strict=True)):
            letters = np.array([character.isalnum() for character in script.text[start:end]], dtype=bool)
            assert (held[start:end][letters] == index).all()


def test_every_conversation_is_read_whole_by_minilm_in_windows_between_turns(conversations: list[Document]) -> None:
    tokenizer = open_model(packaged_minilm()).tokenizer
    began = time.perf_counter()
    for document in conversations:
        rendered = render(tokenizer, document, context=512)
        read = np.concatenate([window.turn for window in rendered.windows])
        assert set(read[read >= 0].tolist()) == set(range(rendered.turns or 0))
        assert max(len(window) for window in rendered.windows) <= 512
        assert (np.diff(read[read >= 0]) >= 0).all()
    assert time.perf_counter() - began < 30


def test_every_conversation_is_read_whole_as_chat_messages(conversations: list[Document]) -> None:
    tokenizer = tiny_tokenizer("byte-level-nfc", chat_template=CHATML)
    for document in conversations:
        rendered = render(tokenizer, Document(turns=document.turns, messages=True), context=4096)
        read = np.concatenate([window.turn for window in rendered.windows])
        assert set(read[read >= 0].tolist()) == set(range(rendered.turns or 0))


def test_the_longest_meeting_is_measured_with_its_flow(conversations: list[Document], tmp_path: Path) -> None:
    from attention.measure.analysis import analyse
    from attention.measure.capture import CaptureOptions

    longest = max(conversations, key=lambda document: len(document.turns or ()))
    model = open_model(ModelSource(id="tiny", path=tiny_model(tmp_path, "llama", context=4096), device="cpu"))
    rendered = render(model.tokenizer, longest, context=1024)
    (measured,) = analyse(model, [rendered], token_budget=4096, options=CaptureOptions(flow=True))
    turns = len(longest.turns or ())
    assert measured.turns == turns
    assert measured.windows == len(rendered.windows)
    assert measured.flow is not None
    assert measured.flow.shape == (2, turns, turns + 1)
    rows = np.nansum(measured.flow, axis=2)
    assert np.abs(rows[~np.isnan(measured.flow).all(axis=2)] - 1).max() < 1e-5


@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_every_conversation_is_analysed_with_flow_turns_and_trajectories(
    kind: str, conversations: list[Document], tmp_path: Path
) -> None:
    from attention.definitions import METRIC_NAMES, TURN_METRIC_NAMES
    from attention.measure.analysis import analyse
    from attention.measure.flow import goal_flow, speaker_flow
    from attention.measure.trajectory import trajectory

    model = open_model(ModelSource(id="tiny", path=tiny_model(tmp_path, kind, context=2048), device="cpu"))
    for document in conversations:
        rendered = render(model.tokenizer, document, context=1024)
        (found,) = analyse(model, [rendered], token_budget=4096)
        turns, speakers = len(document.turns or ()), len(found.speakers)
        for name in METRIC_NAMES:
            if np.isnan(found.document[name]):  # only a lift over a share that no window leaves room for
                share, lift, _ = name.partition("_lift")
                assert lift
                assert found.document[share] == 0
        assert found.flow is not None
        assert found.turn_metrics is not None
        assert found.turn_tokens is not None
        assert found.turn_speakers is not None
        assert found.flow.shape == (2, turns, turns + 1)
        assert np.abs(np.nansum(found.flow, -1) - 1).max() < 1e-5
        between = speaker_flow(found.flow, found.turn_speakers, found.turn_tokens, speakers)
        assert np.abs(np.nansum(between, -1) - 1).max() < 1e-5
        assert goal_flow(found.flow, found.turn_speakers, speakers).shape == (2, turns, speakers)
        assert found.turn_tokens.min() > 0
        for name in TURN_METRIC_NAMES:
            moved = trajectory(found.turn_metrics[name], found.turn_tokens)
            if turns >= 12:
                assert moved.late is not None
                assert moved.slope is not None
                assert moved.low is not None
                assert moved.low <= moved.slope
