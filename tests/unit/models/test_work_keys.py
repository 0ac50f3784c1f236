"""Equal requests share a key; anything the numbers depend on changes it."""

import pytest

from models.work import Sampling, WorkOptions, content_digest, request_key, work_key


def test_the_order_of_fields_does_not_change_a_contents_digest() -> None:
    assert content_digest({"turns": [{"speaker": "Ana", "text": "Hi"}]}) == content_digest(
        {"turns": [{"text": "Hi", "speaker": "Ana"}]}
    )


@pytest.mark.parametrize(
    "other",
    [
        WorkOptions(overflow="truncate"),
        WorkOptions(labels="drop"),
        WorkOptions(sampling=Sampling(window_tokens=256, count=3, seed=0)),
        WorkOptions(sampling=Sampling(window_tokens=256, count=3, seed=0, first_window=True)),
    ],
)
def test_options_that_change_the_numbers_change_the_request_key(other: WorkOptions) -> None:
    digest = content_digest({"text": "hello"})
    key = request_key(digest, WorkOptions(), None)
    assert key == request_key(digest, WorkOptions(), None)
    assert key != request_key(digest, other, None)
    assert key != request_key(digest, WorkOptions(), 128)


def test_with_and_without_a_first_window_are_two_requests_and_a_control_has_none() -> None:
    digest = content_digest({"text": "hello"})
    plain, first = (
        WorkOptions(labels="drop", sampling=Sampling(window_tokens=256, count=3, seed=0, first_window=wanted))
        for wanted in (False, True)
    )
    assert request_key(digest, plain, None) != request_key(digest, first, None)
    assert first.under("untrained") == plain.under("untrained") == plain.model_copy(update={"control": "untrained"})
    assert WorkOptions().under("untrained") == WorkOptions(control="untrained")


def test_revision_weights_dtype_and_rendering_change_the_work_key() -> None:
    keys = {
        work_key(b"rendered", "revision", "weights", "float32"),
        work_key(b"rendered", "another", "weights", "float32"),
        work_key(b"rendered", "revision", "weights", "bfloat16"),
        work_key(b"rendered", "revision", "others", "float32"),
        work_key(b"different", "revision", "weights", "float32"),
    }
    assert len(keys) == 5
