"""Identifiers are opaque, unique and sort by time."""

import time

from models.identifiers import new_identifier


def test_identifiers_do_not_repeat_and_have_one_shape() -> None:
    made = {new_identifier("an") for _ in range(10_000)}
    assert len(made) == 10_000
    assert {len(identifier) for identifier in made} == {29}
    assert all(identifier.startswith("an_") for identifier in made)


def test_a_later_identifier_sorts_after_an_earlier_one() -> None:
    earlier = new_identifier("job")
    deadline = time.time_ns() + 2_000_000
    while time.time_ns() < deadline:
        pass
    assert earlier < new_identifier("job")
