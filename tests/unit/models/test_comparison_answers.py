"""The answer of a comparison has the fields of the result's type, and what was stored comes out as it went in."""

import dataclasses
import json
from typing import Any

import pytest
from seeded_study import stored

from attention.comparison.json_form import as_json, from_json
from attention.comparison.study import Study
from models.schemas.comparisons import Comparison

ENTRY = {
    "id": "cmp_1",
    "job_id": "job_1",
    "state": "succeeded",
    "created_at": "2026-11-24T00:00:00Z",
    "finished_at": None,
    "reason": None,
    "message": None,
    "request": {"groups": [{"name": "a", "dataset_id": "ds_a"}, {"name": "b", "dataset_id": "ds_b"}]},
}


@pytest.fixture(scope="module")
def schema() -> Any:
    return Comparison.model_json_schema(mode="serialization")


def test_every_field_of_a_result_is_in_the_schema_and_none_is_untyped(schema: Any) -> None:
    assert {field.name for field in dataclasses.fields(Study)} <= set(schema["properties"])
    described = {name: part for name, part in schema["properties"].items() if name in Study.__dataclass_fields__}
    assert all(part.get("description") for part in described.values())
    assert '"additionalProperties": true' not in json.dumps([schema["properties"], schema["$defs"]])


def test_rows_of_layers_have_a_mean_for_every_further_name(schema: Any) -> None:
    rows = schema["$defs"]["LayerMeans"]
    assert rows["required"] == ["layer"]
    assert rows["additionalProperties"]["additionalProperties"] == {"$ref": "#/$defs/Mean"}
    assert set(schema["$defs"]["Mean"]["required"]) == {"mean", "low", "high", "documents"}


def test_what_is_stored_comes_out_as_it_went_in() -> None:
    result = stored("study.json")
    answered = json.loads(Comparison(**ENTRY, **result).model_dump_json(exclude_unset=True))
    assert {name: answered[name] for name in result} == result
    assert set(answered) == set(result) | set(ENTRY)


def test_parts_that_an_earlier_version_did_not_store_are_not_answered() -> None:
    result = stored("study.json")
    separability = [{name: part for name, part in one.items() if name != "layer"} for one in result["separability"]]
    early = {"groups": result["groups"], "overall": result["overall"], "pairs": [], "separability": separability}
    now = {**result, "controls": {"untrained": early}}
    del now["first_window"], now["families"]
    answered = json.loads(Comparison(**ENTRY, **now).model_dump_json(exclude_unset=True))
    assert {name: answered[name] for name in now} == now
    assert set(answered) == set(now) | set(ENTRY)


def test_a_client_reads_the_result_as_a_notebook_has_it() -> None:
    result = stored("study.json")
    study = Comparison(**ENTRY, **result).study
    assert study is not None
    assert as_json(study) == {name: part for name, part in result.items() if name != "figures"}
    assert study == from_json(Study, {name: part for name, part in result.items() if name != "figures"})


def test_an_unfinished_comparison_has_no_result_and_a_large_one_lacks_its_parts() -> None:
    assert Comparison(**{**ENTRY, "state": "running"}).study is None
    result = stored("study.json")
    del result["heads"]
    maps = [{name: part for name, part in one.items() if name != "points"} for one in result["maps"]]
    large = Comparison(**{**ENTRY, **result, "maps": [{**one, "points_total": 9_000} for one in maps]}).study
    assert large is not None
    assert large.heads is None
    assert {len(drawn.points) for drawn in large.maps} == {0}
