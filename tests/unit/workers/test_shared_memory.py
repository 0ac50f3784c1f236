"""Objects with large arrays, handed to another process through memory that both have."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import replace
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest

from workers.measuring import shared_memory
from workers.measuring.shared_memory import NotSharedError, Shared, SharedBlocks


@pytest.fixture
def blocks() -> Iterator[SharedBlocks]:
    made = SharedBlocks()
    yield made
    made.close()


def sums_of(shared: Shared) -> list[float]:
    """In the other process."""
    return [float(array.sum()) for array in shared.take()["arrays"]]


def thing(*arrays: Any) -> dict[str, Any]:
    return {"words": "as they are", "arrays": list(arrays)}


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def test_another_process_finds_every_array(blocks: SharedBlocks) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for size in (10, 100_000, 7):  # grows once, and is used again
            first, second = np.arange(size, dtype=np.float64), np.full((3, size), 2, np.int8).T
            with blocks.shared(thing(first, second, np.zeros(0))) as shared:
                found = pool.submit(sums_of, shared).result()
            assert found == [first.sum(), 6.0 * size, 0.0]


def test_arrays_are_no_part_of_the_pickle_and_are_aligned(blocks: SharedBlocks) -> None:
    with blocks.shared(thing(np.arange(3, dtype=np.int8), np.arange(50_000.0))) as shared:
        assert len(shared.pickled) < 1_000
        assert [low % shared_memory.ALIGNED for low, _ in shared.spans] == [0, 0]
        assert np.array_equal(shared.take()["arrays"][1], np.arange(50_000.0))


def test_memory_that_is_not_to_be_had_is_told_of(blocks: SharedBlocks) -> None:
    with blocks.shared(thing(np.ones(100))) as shared, pytest.raises(NotSharedError, match="/proc/self/fd/9999"):
        replace(shared, place="/proc/self/fd/9999").take()


def test_memory_that_the_machine_refuses_is_told_of(blocks: SharedBlocks, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError("too many open files")

    before = open_descriptors()
    for call in ("ftruncate", "memfd_create"):
        monkeypatch.setattr(os, call, refuse)
        with pytest.raises(NotSharedError, match="too many open files"), blocks.shared(thing(np.ones(100))):
            pass
    assert open_descriptors() == before


def test_what_has_no_array_is_its_pickle(blocks: SharedBlocks) -> None:
    with blocks.shared({"words": "alone"}) as shared:
        assert shared.place is None
        assert shared.take() == {"words": "alone"}


def test_a_block_serves_again_unless_its_last_use_failed(blocks: SharedBlocks) -> None:
    with blocks.shared(thing(np.zeros(100))) as first:
        pass
    with suppress(ZeroDivisionError), blocks.shared(thing(np.ones(100))) as second:
        taken = second.take()
        raise ZeroDivisionError
    assert second.place == first.place
    with blocks.shared(thing(np.full(100, 3.0))) as third:
        assert taken["arrays"][0].sum() == 100, "what may still be read elsewhere was written over"
        assert third.take()["arrays"][0].sum() == 300


def test_large_blocks_are_given_back(blocks: SharedBlocks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_memory, "KEPT_BYTES", 1_000)
    before = open_descriptors()
    with blocks.shared(thing(np.zeros(1_000))):
        assert open_descriptors() > before
    assert open_descriptors() == before


def test_where_memory_cannot_be_shared_all_is_pickled(blocks: SharedBlocks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    with blocks.shared(thing(np.ones(100))) as shared:
        assert shared.place is None
        assert sums_of(shared) == [100.0]
