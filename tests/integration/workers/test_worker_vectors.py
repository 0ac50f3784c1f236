"""What is written by COPY in its binary form comes back bit for bit, whatever its type."""

import numpy as np
from sqlalchemy import Engine, text

from models.queries.search.vectors import VectorIndex
from models.queries.writing import binary_copy as wire
from models.queries.writing.binary_copy import copy_blocks, in_pieces

TEXTS = ["", "a\tb\n\\N", "Zo\u00eb \U0001f600", "x" * 3000]


def test_every_type_comes_back_as_it_was_in_blocks_of_any_shape(engine: Engine) -> None:
    chance = np.random.default_rng(7)
    vectors = chance.normal(size=(4, 7)).astype(np.float32)
    whole = np.array([[1, -2], [0, 2**31 - 1], [5, 6], [-(2**31), 3]])
    absent = np.array([[False, True], [False, False], [True, True], [False, False]])
    numbers = np.array([[1.5, np.nan], [np.nan, np.nan], [-0.1, np.inf], [5e-324, 1.7976931348623157e308]])
    names = ("number", "a", "b", "small", "big", "x", "y", "word", "raw", "notes", "list", "truth", "empty", "vector")
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TEMPORARY TABLE kinds (number int, a int, b int, small int2, big int8, x float8, y float8, "
                "word text, raw bytea, notes jsonb, list text[], truth bool, empty text, vector vector) ON COMMIT DROP"
            )
        )
        lists = [[], ["a"], ["", "b\u00e9"], TEXTS]
        rows = [
            wire.int4(np.arange(4)),
            wire.int4(whole, absent),
            wire.int2([1, -2, 3, 32767]),
            wire.int8([1, 2, 3, -(2**63)]),
            wire.float8(numbers),
            wire.text(TEXTS),
            wire.bytea([each.encode() for each in TEXTS]),
            wire.jsonb(['{"a": 1}', "[]", "null", '"\u00e9"']),
            wire.text_array(lists),
            wire.boolean([True, False, True, False]),
            wire.nulls(4),
            wire.vector(vectors),
        ]
        odd = np.array([3, 1])
        blocks = [rows, [], [cells.take(odd) for cells in rows], [cells.take(odd[:0]) for cells in rows]]
        copy_blocks(connection, "kinds", names, [block for block in blocks if block])
        found = connection.execute(text("SELECT *, vector::real[] AS numbers FROM kinds")).all()
    assert [row.number for row in found] == [0, 1, 2, 3, 3, 1]
    assert [(row.a, row.b) for row in found[:4]] == [(1, None), (0, 2**31 - 1), (None, None), (-(2**31), 3)]
    assert [row.small for row in found[:4]] == [1, -2, 3, 32767]
    assert [row.big for row in found[:4]] == [1, 2, 3, -(2**63)]
    assert [(row.x, row.y) for row in found[:4]] == [
        (1.5, None), (None, None), (-0.1, float("inf")), (5e-324, 1.7976931348623157e308)
    ]  # fmt: skip
    assert [row.word for row in found] == [*TEXTS, TEXTS[3], TEXTS[1]]
    assert [bytes(row.raw).decode() for row in found[:4]] == TEXTS
    assert [row.notes for row in found[:4]] == [{"a": 1}, [], None, "\u00e9"]
    assert [row.list for row in found[:4]] == lists
    assert [row.truth for row in found[:4]] == [True, False, True, False]
    assert {row.empty for row in found} == {None}
    np.testing.assert_array_equal(np.array([row.numbers for row in found], np.float32), vectors[[0, 1, 2, 3, 3, 1]])


def test_arrays_of_different_lengths_come_back_from_blocks_of_their_own(engine: Engine) -> None:
    arrays = [np.array([[1.5, np.nan, -0.25, 3e38]], np.float32), np.empty((1, 0), np.float32)]
    side_by_side = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    with engine.begin() as connection:
        connection.execute(text("CREATE TEMPORARY TABLE arrays (numbers real[], more real[]) ON COMMIT DROP"))
        copy_blocks(connection, "arrays", ("numbers",), ([wire.float4_array(each)] for each in arrays))
        copy_blocks(connection, "arrays", ("numbers", "more"), [[wire.float4_array(side_by_side)]])
        copy_blocks(connection, "arrays", ("numbers",), [])
        found = connection.execute(text("SELECT * FROM arrays")).all()
    np.testing.assert_array_equal(np.array(found[0].numbers, np.float32), arrays[0][0])
    assert found[1].numbers == []
    assert [(row.numbers, row.more) for row in found[2:]] == [([0, 1, 2], [3, 4, 5]), ([6, 7, 8], [9, 10, 11])]


def test_pieces_cover_all_rows_and_are_small() -> None:
    assert [*in_pieces(0, 100)] == []
    assert [*in_pieces(3, 5 << 20)] == [slice(0, 1), slice(1, 2), slice(2, 3)]
    assert [*in_pieces(5, 3 << 20)] == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert [*in_pieces(2, 100 << 20)] == [slice(0, 1), slice(1, 2)]


def test_more_dimensions_than_a_vector_can_have_are_kept_as_an_array() -> None:
    assert [VectorIndex(1, size, "document").kind for size in (16_000, 16_001)] == ["bit", "array"]
