"""A cursor comes back as it was written, and nothing else is taken for one."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.http.cursors import read_cursor, write_cursor
from service.http.paging import newest_first
from service.http.problems import Problem


@given(
    st.datetimes(timezones=st.just(UTC)),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    st.floats(allow_nan=False, allow_infinity=False) | st.none(),
)
def test_what_was_written_is_read(time: datetime, name: str, value: float | None) -> None:
    assert read_cursor(write_cursor("-entropy", time, name, value), "-entropy", datetime, str, float) == [
        time,
        name,
        value,
    ]


def test_times_are_compared_in_utc() -> None:
    elsewhere = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert newest_first("jobs").after(write_cursor("jobs", elsewhere, "a")) == (elsewhere, "a")
    assert newest_first("jobs").after(None) is None


def encoded(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "é",
        "=" * 9,
        encoded(None),
        encoded([]),
        encoded(["jobs"]),
        encoded(["other", "2026-01-01T00:00:00+00:00", "a"]),
        encoded(["jobs", "2026-01-01T00:00:00", "a"]),
        encoded(["jobs", "yesterday", "a"]),
        encoded(["jobs", 5, "a"]),
        encoded(["jobs", "2026-01-01T00:00:00+00:00", 5]),
        encoded(["jobs", "2026-01-01T00:00:00+00:00", "\0"]),
        encoded(["jobs", "2026-01-01T00:00:00+00:00", "a", 1]),
        base64.urlsafe_b64encode(b"[" * 9000).decode(),
    ],
)
def test_no_other_string_is_a_cursor(cursor: str) -> None:
    with pytest.raises(Problem) as caught:
        newest_first("jobs").after(cursor)
    assert caught.value.kind.name == "bad-cursor"


@given(st.text())
def test_no_string_at_all_breaks_the_reader(cursor: str) -> None:
    with pytest.raises(Problem):
        newest_first("jobs").after(cursor)
