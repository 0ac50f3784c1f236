"""Plain content is written as JSON the way that Pydantic's encoder writes it."""

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from service.http.answers import written

NUMBERS = [0.0, -0.0, 1e-7, 5e-324, 1.7976931348623157e308, 1e16, 123456789012345680.0, 0.1, 2 / 3, 1e22, -1e-300]


def by_pydantic(content: Any) -> Any:
    return json.loads(TypeAdapter(Any, config={"ser_json_inf_nan": "null"}).dump_json(content))


def test_every_float_reads_back_as_itself() -> None:
    drawn = np.random.default_rng(0).integers(0, 2**64, 20_000, np.uint64).view(np.float64)
    numbers = [*NUMBERS, *drawn[np.isfinite(drawn)].tolist()]
    back = json.loads(written(numbers))
    assert [math.copysign(1, each) for each in back] == [math.copysign(1, each) for each in numbers]
    assert back == numbers == by_pydantic(numbers) == json.loads(written(np.array(numbers)))


def test_what_is_no_number_is_null() -> None:
    values = [math.nan, math.inf, -math.inf]
    assert json.loads(written(values)) == [None] * 3 == by_pydantic(values)
    assert json.loads(written(np.array([values]))) == [[None] * 3]
    assert json.loads(written(np.array([values], np.float32))) == [[None] * 3]


@pytest.mark.parametrize("microsecond", [0, 1, 120_000, 999_999])
def test_times_are_in_utc_with_a_z(microsecond: int) -> None:
    time = datetime(2026, 11, 27, 8, 1, 2, microsecond, UTC)
    assert json.loads(written(time)) == by_pydantic(time)
    assert json.loads(written(time)).endswith("Z")
    elsewhere = time.astimezone(timezone(timedelta(hours=2)))
    assert json.loads(written(elsewhere)) == by_pydantic(elsewhere)


def test_texts_labels_and_dataclasses_keep_their_form() -> None:
    @dataclass
    class Moved:
        early: float | None
        late: float | None

    content = {"b": 'é\u2028"\\\x00\U0001f30a', "a": [True, None, 7], "moved": Moved(0.5, None)}
    assert written(content) == TypeAdapter(Any).dump_json(content)


def test_arrays_of_every_kind_are_lists() -> None:
    arrays = [np.arange(6, dtype=kind).reshape(2, 3) for kind in (np.int32, np.int64, np.uint8, np.float32, np.float64)]
    for array in [*arrays, np.array([[True, False]]), np.empty((2, 0), np.float64)]:
        assert json.loads(written(array)) == array.tolist()
