"""How many threads a worker takes."""

import os

import pytest

from workers.process import processors


@pytest.mark.parametrize(("said", "most"), [("1", 1), ("100000", 10**9), ("", 10**9), ("4,2", 10**9), ("0", 10**9)])
def test_a_limit_for_openmp_holds_for_workers_too(said: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert processors() == min(most, len(os.sched_getaffinity(0)))
