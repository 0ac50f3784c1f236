"""Transcripts over HTTP: what they are read as, measured or not, their times, and names that are not kept."""

import io
import json
import zipfile
from typing import Any

import httpx
import pytest
from api_service import json_lines, problem_of
from kept_services import ServicePlan
from sqlalchemy import Engine, text

from models.schemas.analyses import Analysis
from models.schemas.readings import ReadingAnswer
from models.states import FINISHED

pytestmark = pytest.mark.xdist_group("measuring service")
SERVICE = ServicePlan(workers=1)

CAPTIONS = """WEBVTT

00:00:01.000 --> 00:00:03.000
Olena Marchuk: When does the ferry leave?

00:00:03.500 --> 00:00:05.000
Yusuf: At nine.

00:00:05.000 --> 00:00:06.250
Last question: who has the tickets?

00:00:07.000 --> 00:00:09.000
Olena Marchuk: I have them.
"""
TURNS = [
    {"speaker": "Olena Marchuk", "text": "When does the ferry leave?", "start": 1.0, "end": 3.0},
    {"speaker": "Yusuf", "text": "At nine. Last question: who has the tickets?", "start": 3.5, "end": 6.25},
    {"speaker": "Olena Marchuk", "text": "I have them.", "start": 7.0, "end": 9.0},
]


def read(api: httpx.Client, sent: Any) -> dict[str, Any]:
    answer = api.post("/v1/readings", json=sent)
    assert answer.status_code == 200, answer.text
    ReadingAnswer.model_validate(answer.json())
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("sent", [{"transcript": {"content": CAPTIONS}}, {"content": CAPTIONS, "format": "webvtt"}])
def test_a_transcript_is_read_and_nothing_measured(api: httpx.Client, sent: dict[str, Any]) -> None:
    before = api.get("/v1/jobs").json()["items"]
    found = read(api, sent)
    assert found["turns"] == TURNS
    assert found["reading"]["format"] == "webvtt"
    assert (found["reading"]["cues"], found["reading"]["turns"], found["reading"]["unnamed"]) == (4, 3, 1)
    assert found["reading"]["speakers"] == {"Olena Marchuk": 2, "Yusuf": 1}
    assert any("`Last question`" in note and "line 10" in note for note in found["reading"]["notes"])
    assert api.get("/v1/jobs").json()["items"] == before


def test_the_speakers_of_the_request_settle_who_speaks(api: httpx.Client) -> None:
    found = read(api, {"content": CAPTIONS, "speakers": ["Olena Marchuk", "Yusuf", "Last question"]})
    assert list(found["reading"]["speakers"]) == ["Olena Marchuk", "Yusuf", "Last question"]
    found = read(api, {"content": CAPTIONS, "speakers": {"Olena Marchuk": "Olena", "Last question": None}})
    assert list(found["reading"]["speakers"]) == ["Olena", "Yusuf"]


def test_any_file_can_be_sent_as_it_is(api: httpx.Client) -> None:
    answer = api.post("/v1/readings", content=CAPTIONS.encode("utf-16"), headers={"Content-Type": "text/vtt"})
    assert answer.json()["turns"] == TURNS
    table = "conversation_id,speaker,text\na,Ana,Yes.\na,Bo,No.\nb,Ana,Well.\n"
    answer = api.post("/v1/readings?file_name=talk.csv", content=table, headers={"Content-Type": "text/csv"})
    found = answer.json()
    assert found["reading"]["layout"] == "utterances"
    assert (found["reading"]["documents"], found["reading"]["turns"]) == (2, 3)
    assert [len(document["turns"]) for document in found["documents"]] == [2, 1]


@pytest.mark.parametrize("file_name", ["..", ".", "a/b.srt", "a" * 400, "a%00b.csv", "%2e%2e%2fx.csv"])
def test_no_name_of_a_file_is_one_of_the_services_own(api: httpx.Client, file_name: str) -> None:
    answer = api.post(f"/v1/readings?file_name={file_name}", content=CAPTIONS, headers={"Content-Type": "text/vtt"})
    assert answer.status_code in (200, 422), answer.text
    if answer.status_code == 200:
        assert answer.json()["turns"] == TURNS


def test_a_layout_that_there_is_not_is_named(api: httpx.Client) -> None:
    answer = api.post("/v1/readings?layout=nope", content="text\na\n", headers={"Content-Type": "text/csv"})
    assert problem_of(answer, 422, "invalid-request")["errors"][0]["pointer"] == "query:layout"


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [
        ({"transcript": {"content": "x", "format": "vtt"}}, "/transcript/format"),
        ({"transcript": {"content": ""}}, "/transcript/content"),
        ({"transcript": {"content": "x", "names": "hide"}}, "/transcript/names"),
        ({"text": "x"}, "/transcript"),
    ],
)
def test_a_wrong_field_is_named(api: httpx.Client, sent: dict[str, Any], pointer: str) -> None:
    problem = problem_of(api.post("/v1/readings", json=sent), 422, "invalid-request")
    assert pointer in [error["pointer"] for error in problem["errors"]]


def test_what_is_no_transcript_is_refused_with_its_line(api: httpx.Client) -> None:
    sent = {"transcript": {"content": "Ana: yes\nnobody", "format": "lines"}}
    for path in ("/v1/readings", "/v1/analyses"):
        problem = problem_of(api.post(path, json=sent), 422, "document-bad-transcript")
        assert problem["errors"][0]["line"] == 2
    problem_of(api.post("/v1/readings", json={"content": "It was late."}), 422, "document-bad-transcript")


def test_an_analysis_of_a_transcript_says_what_it_was_read_as_and_keeps_its_times(api: httpx.Client) -> None:
    answer = api.post("/v1/analyses", json={"transcript": {"content": CAPTIONS}})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert list(made["reading"]["speakers"].items()) == [("Olena Marchuk", 2), ("Yusuf", 1)], "in order of first speech"
    found = api.get(f"/v1/analyses/{made['id']}?include=turns").json()
    Analysis.model_validate(found)
    assert found["reading"] == made["reading"]
    detail = found["turns_detail"]
    assert detail["start"] == [1.0, 3.5, 7.0]
    assert detail["end"] == [3.0, 6.25, 9.0]
    assert detail["speaker"] == ["Olena Marchuk", "Yusuf", "Olena Marchuk"]
    spoken = {"turns": [{"speaker": turn["speaker"], "text": turn["text"]} for turn in TURNS]}
    plain = api.post("/v1/analyses", json={"conversation": spoken}).json()
    assert plain["cached"] is True, "the times change no number"
    assert plain["metrics"] == made["metrics"]
    assert "reading" not in plain
    assert api.get(f"/v1/analyses/{plain['id']}?include=turns").json()["turns_detail"]["start"] == [None] * 3
    listed = {entry["id"]: entry for entry in api.get("/v1/analyses").json()["items"]}
    assert "reading" not in listed[made["id"]]


def test_turns_as_a_reading_gives_them_can_be_sent_again_with_their_times(api: httpx.Client) -> None:
    turns = read(api, {"content": CAPTIONS})["turns"]
    made = api.post("/v1/analyses", json={"conversation": {"turns": turns}}).json()
    detail = api.get(f"/v1/analyses/{made['id']}?include=turns").json()["turns_detail"]
    assert (detail["start"], detail["end"]) == ([1.0, 3.5, 7.0], [3.0, 6.25, 9.0])
    wrong = [{"speaker": "Ana", "text": "Yes.", "start": "00:01"}]
    problem = problem_of(api.post("/v1/analyses", json={"conversation": {"turns": wrong}}), 422, "invalid-request")
    assert [error["pointer"] for error in problem["errors"]] == ["/conversation/turns/0/start"]


def test_transcripts_of_a_data_set_have_their_reading_and_their_times(api: httpx.Client) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("ferry.vtt", CAPTIONS)
    stored = api.post("/v1/datasets", content=packed.getvalue(), headers={"Content-Type": "application/zip"}).json()
    job = api.post("/v1/batches", json={"dataset_id": stored["id"]}).json()
    while job["state"] not in FINISHED:
        job = api.get(f"/v1/jobs/{job['id']}", headers={"Prefer": "wait=30"}).json()
    (entry,) = api.get(f"/v1/analyses?dataset_id={stored['id']}").json()["items"]
    found = api.get(f"/v1/analyses/{entry['id']}?include=turns").json()
    assert list(found["reading"]["speakers"].items()) == [("Olena Marchuk", 2), ("Yusuf", 1)]
    assert found["reading"]["format"] == "webvtt"
    assert found["turns_detail"]["start"] == [1.0, 3.5, 7.0]


def test_pseudonyms_leave_no_name_in_the_answer_or_the_database(api: httpx.Client, engine: Engine) -> None:
    captions = CAPTIONS.replace("Olena Marchuk", "Wilhelmina Quist").replace("Yusuf", "Xaver Zoll")
    sent = {"transcript": {"content": captions, "names": "pseudonyms"}, "external_id": "hidden"}
    answer = api.post("/v1/analyses", json=sent, headers={"Idempotency-Key": "pseudonyms"})
    made = answer.json()
    assert made["speakers"] == ["P1", "P2"]
    assert made["reading"]["speakers"] == {"P1": 2, "P2": 1}
    listed = json_lines({"id": "t", "turns": [{"speaker": "Wilhelmina Quist", "text": "The ferry is late."}]})
    stored = api.post("/v1/datasets?names=pseudonyms", content=listed)
    assert stored.status_code == 201, stored.text
    for said in (answer.text, stored.text):
        assert "Quist" not in said
        assert "Zoll" not in said
    with engine.connect() as connection:
        tables = connection.execute(
            text("select table_name from information_schema.tables where table_schema = 'public'")
        ).scalars()
        for table in list(tables):
            rows = connection.execute(text(f'select t::text from "{table}" t')).scalars()
            assert not [row for row in rows if "Quist" in row or "Xaver" in row], table


def test_messages_without_words_and_with_calls_are_measured(api: httpx.Client) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "tide", "arguments": "{}"}}
    sent = [
        {"role": "user", "content": [{"type": "text", "text": "When is"}, {"type": "text", "text": "high tide?"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "21:05", "tool_call_id": "c1"},
        {"role": "assistant", "content": "Five past nine."},
    ]
    answer = api.post("/v1/analyses", json={"messages": sent})
    assert answer.status_code == 201, answer.text
    assert answer.json()["turns"] == 4
    found = api.get(f"/v1/analyses/{answer.json()['id']}?include=turns,flow").json()
    detail = found["turns_detail"]
    assert detail["speaker"] == ["user", None, "tool", "assistant"]
    assert (detail["start"], detail["end"]) == ([None] * 4, [None] * 4)
    assert found["speakers"] == ["user", "assistant", "tool"]
    for layer in found["flow"]["layers"]:
        assert layer[1] == [None] * 5, "a turn without tokens attends to nothing"
    asked = {"text": "five past nine", "scope": "turns", "k": 50}
    nearest = api.post("/v1/search", json=asked)
    assert nearest.status_code == 200, nearest.text
    hits = [hit for hit in nearest.json()["items"] if hit["analysis_id"] == found["id"]]
    assert {hit["turn"]: hit["snippet"] for hit in hits} == {0: "When is high tide?", 2: "21:05", 3: "Five past nine."}
    assert detail["tokens"][1] == 0
    assert all(tokens > 0 for place, tokens in enumerate(detail["tokens"]) if place != 1)
    assert detail["metrics"]["entropy"][1] is None
    silent = api.post("/v1/analyses", json={"messages": [{"role": "assistant", "content": None}]})
    problem_of(silent, 422, "document-empty")
    picture = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}
    problem = problem_of(api.post("/v1/analyses", json={"messages": [picture]}), 422, "invalid-request")
    assert "image_url" in json.dumps(problem["errors"])
