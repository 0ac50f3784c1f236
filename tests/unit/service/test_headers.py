"""Our request headers mean what the contract says, and nothing else."""

from datetime import timedelta

import pytest

from service.http.headers import read_cancel_after, read_idempotency_key, read_preference
from service.http.problems import Problem


@pytest.mark.parametrize(
    ("prefer", "seconds", "applied"),
    [
        (None, 30.0, None),
        ("", 30.0, None),
        ("respond-async", 0.0, "respond-async"),
        ("Respond-Async", 0.0, "respond-async"),
        ("wait=5", 5.0, "wait=5"),
        ("wait=0", 0.0, "wait=0"),
        ("wait=61", 60.0, "wait=60"),
        ("wait = 7 ; strict", 7.0, "wait=7"),
        ('wait="2.5"', 2.5, "wait=2.5"),
        ("respond-async, wait=10", 10.0, "wait=10"),
        ("wait=3, wait=9", 3.0, "wait=3"),
        ("wait=-1", 30.0, None),
        ("wait=soon, handling=lenient", 30.0, None),
        ("wait=1e9", 30.0, None),
    ],
)
def test_prefer_sets_the_wait_and_what_is_not_understood_is_passed_over(
    prefer: str | None, seconds: float, applied: str | None
) -> None:
    preference = read_preference(prefer, 30.0)
    assert (preference.seconds, preference.applied) == (seconds, applied)
    assert preference.headers == ({"Preference-Applied": applied} if applied else {})


def test_cancel_after_is_seconds() -> None:
    assert read_cancel_after(None) is None
    assert read_cancel_after("90s") == timedelta(seconds=90)
    assert read_cancel_after(" 0.5s ") == timedelta(milliseconds=500)


@pytest.mark.parametrize("value", ["90", "0s", "-1s", "1m", "s", "1e3s", "99999999s", "nan s"])
def test_any_other_cancel_after_is_refused_by_name(value: str) -> None:
    with pytest.raises(Problem) as caught:
        read_cancel_after(value)
    assert caught.value.errors[0].pointer == "header:Cancel-After"


def test_a_key_belongs_to_method_path_and_body() -> None:
    keys = [
        read_idempotency_key("k", 24, method, path, body)
        for method, path, body in (
            ("POST", "/a?", b"1"),
            ("POST", "/b?", b"1"),
            ("POST", "/a?x=1", b"1"),
            ("POST", "/a?", b"2"),
        )
    ]
    assert len({key.body_sha256 for key in keys if key is not None}) == 4
    assert read_idempotency_key(None, 24, "POST", "/a", b"") is None


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256, "a\x00"])
def test_a_key_is_visible_ascii(key: str) -> None:
    with pytest.raises(Problem) as caught:
        read_idempotency_key(key, 24, "POST", "/", b"")
    assert caught.value.kind.name == "bad-header"
