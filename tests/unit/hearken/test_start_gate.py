"""A part that is started before the database waits for the word that it is ready, and ends where none will come."""

import os
import threading

import pytest

from hearken.local.processes import wait_for_go


def test_a_part_goes_on_when_it_is_told_and_not_before() -> None:
    reading, writing = os.pipe()
    gone_on = threading.Event()

    def part() -> None:
        wait_for_go(reading)
        gone_on.set()

    waiting = threading.Thread(target=part)
    waiting.start()
    assert not gone_on.wait(0.2)
    os.write(writing, b"1")
    assert gone_on.wait(20)
    waiting.join()
    os.close(writing)


def test_a_part_ends_where_whoever_would_tell_it_has_gone() -> None:
    reading, writing = os.pipe()
    os.close(writing)
    with pytest.raises(SystemExit) as ended:
        wait_for_go(reading)
    assert ended.value.code == 1


def test_a_part_that_is_started_after_the_database_waits_for_nothing() -> None:
    wait_for_go(None)
