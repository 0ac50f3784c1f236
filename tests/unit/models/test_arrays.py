"""Arrays and texts come back from their packed form as they were, and nothing else is taken for them."""

import json

import numpy as np
import pytest

from models.arrays import pack, pack_texts, unpack, unpack_texts


def test_arrays_come_back_with_their_types_and_shapes() -> None:
    arrays = {
        "wide": np.arange(12, dtype=np.float32).reshape(3, 4).T,
        "id": np.array([1, 2**40], np.int64),
        "scaffold": np.array([True, False]),
        "none": np.zeros((0, 5), np.float32),
        "other way": np.arange(3, dtype=">f8"),
    }
    layout, body = pack(arrays)
    kept = json.loads(json.dumps(layout, sort_keys=True))
    found = unpack(kept, body)
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].shape == array.shape


def test_texts_come_back_as_they_were() -> None:
    texts = ["[CLS]", "", "\U0001f30a", "\x00", "\ufffd", "שלום"]
    layout, body = pack(pack_texts(texts))
    assert unpack_texts(unpack(layout, body)) == texts
    assert unpack_texts(pack_texts([])) == []


def test_a_body_of_another_length_is_refused() -> None:
    layout, body = pack({"a": np.zeros(3)})
    with pytest.raises(ValueError, match="32 bytes for arrays of 24"):
        unpack(layout, body + b"8 bytes.")
    with pytest.raises(ValueError):  # noqa: PT011 - numpy's own words
        unpack(layout, body[:-1])
