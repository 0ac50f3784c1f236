"""What is written straight from rows and arrays is what the schemas' own encoder writes of it, number by number."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from kept_services import KeptService, ServicePlan
from pydantic import BaseModel
from sqlalchemy import select

from attention.definitions import METRIC_NAMES
from models.schemas.analyses import Analysis
from models.schemas.tokens import AttentionWeights
from models.tables import analysis, measurement_layer

pytestmark = pytest.mark.xdist_group("measuring service")
SERVICE = ServicePlan(workers=1)

TURNS = [
    {"speaker": "Ana", "text": "Kommst du zum See? 湖 \U0001f30a"},
    {"speaker": "Bo", "text": 'Yes, "at six", if the bus runs.\\ '},
    {"speaker": "Ana", "text": "Then bring the blue folder."},
]
SENT: dict[str, dict[str, Any]] = {
    "conversation": {"conversation": {"turns": TURNS}, "labels": {"b": "1", "a": "é\u2028"}, "domain": "talk"},
    "text": {"text": "A text has no turns, so that some metrics are undefined.", "external_id": "t-1"},
    "transcript": {
        "transcript": {
            "format": "webvtt",
            "content": "WEBVTT\n\n00:01.500 --> 00:02.000\n<v Zoe>Here.\n\n00:03.000 --> 00:04.250\n<v Abe>Are we?",
        }
    },
}
EVERYTHING = "heads,flow,flow_heads,turns,tokens"


def encoded_by(schema: type[BaseModel], text: str) -> str:
    """The same answer, checked by its schema and written by the schema's encoder."""
    return schema.model_validate_json(text).model_dump_json(exclude_unset=True)


def members(text: str) -> str:
    """JSON with the order of members and the value of numbers, in one form."""
    return json.dumps(json.loads(text, parse_int=float))


@pytest.mark.parametrize("kind", SENT)
def test_an_analysis_is_written_as_its_schema_is(api: httpx.Client, kind: str) -> None:
    made = api.post("/v1/analyses", json=SENT[kind])
    assert made.status_code == 201, made.text
    assert members(made.text) == members(encoded_by(Analysis, made.text))
    whole = api.get(f"{made.headers['location']}?include={EVERYTHING}")
    assert whole.headers["content-type"] == "application/json"
    assert members(whole.text) == members(encoded_by(Analysis, whole.text))
    assert whole.json()["created_at"].endswith("Z")


def test_weights_are_written_as_their_schema_is(api: httpx.Client) -> None:
    made = api.post("/v1/analyses", json=SENT["conversation"])
    found = api.get(f"{made.headers['location']}/attention?layer=1&head=2")
    assert members(found.text) == members(encoded_by(AttentionWeights, found.text))


def test_numbers_are_those_that_are_stored(api: httpx.Client, service: KeptService) -> None:
    made = api.post("/v1/analyses", json=SENT["conversation"]).json()
    found = api.get(f"/v1/analyses/{made['id']}?include=heads,flow").json()
    with service.engine.connect() as connection:
        layers = connection.execute(
            select(measurement_layer)
            .join_from(measurement_layer, analysis, analysis.c.measurement_id == measurement_layer.c.measurement_id)
            .where(analysis.c.id == made["id"])
            .order_by(measurement_layer.c.layer)
        ).all()
    assert len(found["layers"]) == len(layers) == 6
    for name in METRIC_NAMES:
        assert [layer[name] for layer in found["layers"]] == [layer._mapping[name] for layer in layers]
        stored = [layer._mapping[f"{name}_heads"] for layer in layers]
        assert found["heads"][name] == [[None if np.isnan(value) else value for value in row] for row in stored]
    flow = np.array([layer.flow for layer in layers], np.float32).astype(float)
    assert np.ravel(found["flow"]["layers"]).tolist() == flow.ravel().tolist()


def test_an_undefined_number_is_null(api: httpx.Client) -> None:
    made = api.post("/v1/analyses", json=SENT["text"])
    found = api.get(f"{made.headers['location']}?include=heads,turns,flow").json()
    assert found["metrics"]["cross_turn"] is None
    assert found["heads"]["cross_turn"] == [[None] * 12] * 6
    assert (found["flow"], found["turns_detail"]) == (None, None)


@pytest.fixture
def described(api: httpx.Client) -> Callable[[str, str, str], Any]:
    """What the OpenAPI document says that a route answers with."""

    def schema(path: str, method: str, status: str) -> Any:
        route = api.get("/openapi.json").json()["paths"][path][method]
        return route["responses"][status]["content"]["application/json"]["schema"]

    return schema


def test_the_schemas_stay_in_the_openapi_document(described: Callable[[str, str, str], Any]) -> None:
    either = [{"$ref": f"#/components/schemas/{name}"} for name in ("Analysis", "Job")]
    assert described("/v1/analyses", "post", "201")["anyOf"] == either
    assert described("/v1/analyses", "post", "202") == {"$ref": "#/components/schemas/Job"}
    one = "/v1/analyses/{analysis_id}"
    assert described(one, "get", "200") == {"$ref": "#/components/schemas/Analysis"}
    assert described(one + "/attention", "get", "200") == {"$ref": "#/components/schemas/AttentionWeights"}
