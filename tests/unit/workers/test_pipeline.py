"""The pipeline: one ahead, a bounded number behind, errors where they are waited for, nothing beside what is alone."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from polling import until

from workers.measuring.pipeline import Pipeline, SideBySide, TurnByTurn, prepared_ahead, run


def never_alone(_: int) -> bool:
    return False


class Recorder:
    """Prepares numbers up to a last one and finishes them, and says what happened in which order."""

    def __init__(self, last: int) -> None:
        self.events: list[str] = []
        self._numbers = iter(range(last + 1))
        self._lock = threading.Lock()
        self.running = self.most_running = 0

    def say(self, event: str) -> None:
        with self._lock:
            self.events.append(event)

    def prepare(self) -> int | None:
        number = next(self._numbers, None)
        if number is not None:
            self.say(f"prepared {number}")
        return number

    def finish(self, number: int, meanwhile: Callable[[int], None] = lambda _: None) -> None:
        with self._lock:
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        time.sleep(0.02)
        meanwhile(number)
        with self._lock:
            self.running -= 1
            self.events.append(f"finished {number}")


def test_turn_by_turn_everything_has_its_turn() -> None:
    record = Recorder(2)
    pipeline: Pipeline = TurnByTurn()
    run(pipeline, prepared_ahead(pipeline, record.prepare, alone=never_alone), record.finish)
    assert record.events == [f"{done} {number}" for number in range(3) for done in ("prepared", "finished")]


@pytest.mark.parametrize("behind", [1, 3])
def test_side_by_side_one_is_ahead_and_so_many_behind_at_most(behind: int) -> None:
    record = Recorder(9)
    seen: list[int] = []
    together, all_measured = threading.Barrier(behind), threading.Event()

    def ahead(number: int) -> int:
        return sum(event.startswith("prepared") for event in record.events) - number

    def measured() -> Iterator[int]:
        for number in prepared_ahead(pipeline, record.prepare, alone=never_alone):
            until(lambda number=number: number == 9 or ahead(number) == 2, "the next one is prepared meanwhile")  # type: ignore[misc]
            time.sleep(0.005)
            seen.append(ahead(number))
            record.say(f"measured {number}")
            if number == 9:
                all_measured.set()
            yield number

    def meet(number: int) -> None:
        if number < behind:
            together.wait(30)  # so many do run at once
        if number > 9 - behind:
            assert all_measured.wait(30)

    with closing(SideBySide(behind)) as pipeline:
        run(pipeline, measured(), lambda number: record.finish(number, meet))
    assert sorted(record.events[-behind:]) == sorted(f"finished {number}" for number in range(10 - behind, 10))
    assert {f"finished {number}" for number in range(10)} <= {*record.events}
    assert set(seen[:-1]) == {2}  # itself and the one ahead
    assert record.most_running == behind
    for number in range(behind, 9):  # what is measured waits for room behind it
        assert record.events.index(f"finished {number - behind}") < record.events.index(f"measured {number + 1}")


def test_what_is_to_be_alone_has_nothing_beside_it() -> None:
    record = Recorder(4)

    def measured() -> Iterator[int]:
        for number in prepared_ahead(pipeline, record.prepare, alone=lambda each: each == 2):
            record.say(f"begun {number}")
            time.sleep(0.01)
            record.say(f"measured {number}")
            yield number

    with closing(SideBySide(2)) as pipeline:
        run(pipeline, measured(), record.finish)
    begun = record.events.index("begun 2")
    assert record.events[begun + 1] == "measured 2"
    assert {"finished 0", "finished 1"} <= {*record.events[:begun]}
    assert record.events.index("finished 2") < record.events.index("prepared 3")


@pytest.mark.parametrize("pipeline", [TurnByTurn(), SideBySide()])
def test_the_error_of_each_stage_ends_the_run(pipeline: Pipeline) -> None:
    def failing(number: int) -> None:
        raise ValueError(f"planted {number}")

    with pytest.raises(ValueError, match="planted 0"):
        run(pipeline, iter([0]), failing)

    def prepare() -> int:
        raise KeyError("planted")

    with pytest.raises(KeyError, match="planted"):
        run(pipeline, prepared_ahead(pipeline, prepare, alone=never_alone), print)
    pipeline.close()


def test_closing_waits_for_what_runs() -> None:
    ended = threading.Event()
    pipeline = SideBySide()
    pipeline.behind(lambda: (time.sleep(0.05), ended.set()))
    pipeline.close()
    assert ended.is_set()
