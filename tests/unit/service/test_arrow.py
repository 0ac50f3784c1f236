"""An Arrow stream is sent to who wants it more than JSON, and to nobody else."""

import numpy as np
import pyarrow.ipc
import pytest

from service.views.arrow import MEDIA_TYPE, arrow_preferred, token_stream


@pytest.mark.parametrize(
    ("accept", "preferred"),
    [
        (None, False),
        ("", False),
        ("*/*", False),
        (MEDIA_TYPE, True),
        (MEDIA_TYPE.upper(), True),
        (f"{MEDIA_TYPE}, */*;q=0.1", True),
        (f"{MEDIA_TYPE};q=0.4, application/json;q=0.5", False),
        (f"application/json , {MEDIA_TYPE}", False),
        (f"text/html, {MEDIA_TYPE};q=0.1", True),
        (f"{MEDIA_TYPE};q=0", False),
        (f"{MEDIA_TYPE};q=much", False),
        (f"application/*;q=0.2, {MEDIA_TYPE}; q = 0.9", True),
    ],
)
def test_arrow_is_preferred_where_it_weighs_more_than_json(accept: str | None, preferred: bool) -> None:
    assert arrow_preferred(accept) is preferred


def test_a_stream_has_one_row_a_token_and_null_where_there_is_no_turn() -> None:
    arrays = {
        "id": np.array([101, 7, 8]),
        "turn": np.array([-1, 0, 0], np.int32),
        "scaffold": np.array([True, False, False]),
        "entropy": np.array([[0.0, 1.0], [0.5, np.nan], [0.25, 2.0]], np.float32),
    }
    table = pyarrow.ipc.open_stream(token_stream(arrays, ["[CLS]", "a", "b"], ("entropy",), {"model": "m"})).read_all()
    assert table.column_names == ["id", "text", "turn", "scaffold", "entropy"]
    assert table["turn"].to_pylist() == [None, 0, 0]
    assert table["entropy"].type == pyarrow.list_(pyarrow.float32(), 2)
    assert table["entropy"].to_pylist()[2] == [0.25, 2.0]
    assert table.schema.metadata == {b"model": b"m"}
