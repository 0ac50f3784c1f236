"""A child that dies is started again, with a pause that doubles with each death in a row and has an end."""

import pytest

from hearken.local import StartRefused, restart_policy
from hearken.local.restart_policy import SupervisedChild


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(restart_policy, "time", made)
    return made


def pauses(child: SupervisedChild, clock: Clock, deaths: int) -> list[float]:
    """The pause before each of so many restarts of a child that dies at once."""
    seen = []
    for _ in range(deaths):
        child.supervise()
        assert child.restart_at is not None
        seen.append(child.restart_at - clock.now)
        clock.now = child.restart_at
        child.supervise()
    return seen


def test_pauses_double_up_to_half_a_minute(clock: Clock) -> None:
    child = SupervisedChild("part", start=lambda: None, poll=lambda: 1)
    child.begin()
    assert pauses(child, clock, 9) == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_a_child_that_lived_a_minute_starts_over_with_the_shortest_pause(clock: Clock) -> None:
    child = SupervisedChild("part", start=lambda: None, poll=lambda: 1)
    child.begin()
    assert pauses(child, clock, 3) == [0.5, 1.0, 2.0]
    clock.now += 61
    assert pauses(child, clock, 1) == [0.5]


def test_a_start_that_is_refused_counts_as_a_death(clock: Clock) -> None:
    answers: list[Exception | None] = [None, StartRefused("not yet"), None]

    def start() -> None:
        answer = answers.pop(0)
        if answer is not None:
            raise answer

    child = SupervisedChild("part", start=start, poll=lambda: 1 if len(answers) == 2 else None)
    child.begin()
    child.supervise()
    clock.now += 0.5
    child.supervise()
    assert child.deaths == 2
    assert child.restart_at == clock.now + 1.0
    clock.now += 1.0
    child.supervise()
    assert child.restart_at is None
    assert answers == []


def test_a_child_whose_first_life_ends_with_a_refusal_is_not_started_again(clock: Clock) -> None:
    begun: list[float] = []
    child = SupervisedChild("part", start=lambda: begun.append(clock.now), poll=lambda: 2, refusal=2)
    child.begin()
    child.supervise()
    clock.now += 60
    child.supervise()
    assert (child.refused, len(begun)) == (True, 1)


def test_a_refusal_in_a_later_life_is_a_death_like_others(clock: Clock) -> None:
    statuses = iter([137, 2, 2])
    child = SupervisedChild("part", start=lambda: None, poll=lambda: next(statuses), refusal=2)
    child.begin()
    assert pauses(child, clock, 2) == [0.5, 1.0]
    assert not child.refused
