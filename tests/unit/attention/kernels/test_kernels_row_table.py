"""The row statistics of the Python class, the C sweep and the Triton kernel are the same, each at its own place."""

import ctypes
import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest

from attention.kernels import RowStatistics, compiled
from attention.kernels.rows import EVERY_ROW, TURN_ROWS

SWEEP = Path(compiled.__file__).with_name("sweep.c")
NUMBERS = {"int32_t": ctypes.c_int32, "int64_t": ctypes.c_int64, "float": ctypes.c_float}


def struct_of(source: str) -> list[tuple[str, object]]:
    """The fields of `struct sweep` in a C source, in order, with the ctypes that have their size."""
    (body,) = re.findall(r"struct sweep \{(.*?)\n\};", re.sub(r"/\*.*?\*/", "", source, flags=re.S), re.S)
    found: list[tuple[str, object]] = []
    for declaration in filter(None, map(str.strip, body.split(";"))):
        number, names = re.fullmatch(r"(?:const )?(\w+) (.*)", declaration, re.S).groups()  # type: ignore[union-attr]
        for written in names.split(","):
            pointers, name, count = re.fullmatch(r"\s*((?:\*(?:const )?)*)(\w+)(?:\[(\d+)\])?", written).groups()  # type: ignore[union-attr]
            kind = ctypes.c_void_p if pointers else NUMBERS[number]
            found.append((name, kind * int(count) if count else kind))
    return found


def test_the_c_struct_is_laid_out_as_python_fills_it() -> None:
    assert struct_of(SWEEP.read_text(encoding="utf-8")) == list(compiled._Sweep._fields_)


def test_reading_the_struct_notices_an_exchange_and_another_width() -> None:
    source = SWEEP.read_text(encoding="utf-8")
    for old, new in (
        ("*cross_turn, *cross_speaker", "*cross_speaker, *cross_turn"),
        ("int32_t batch", "int64_t batch"),
    ):
        assert source.count(old) == 1
        assert struct_of(source.replace(old, new)) != list(compiled._Sweep._fields_)


def test_the_table_is_read_off_the_class() -> None:
    apart = ("by_distance", "received", "flow")
    assert (*EVERY_ROW, *TURN_ROWS, *apart) == tuple(field.name for field in fields(RowStatistics))


def test_the_triton_kernel_has_a_place_of_its_own_for_each() -> None:
    pytest.importorskip("triton", reason="triton is not installed here", exc_type=ImportError)
    from attention.kernels import fused

    asked = {name for name in inspect.signature(fused._sweep.fn).parameters if name.startswith("AT_")}
    for turns, names in ((False, EVERY_ROW), (True, EVERY_ROW + TURN_ROWS)):
        places = fused.row_places(turns)
        assert places.keys() == asked
        used = [places[f"AT_{name.upper()}"] for name in (*names, "maximum", "total")]
        assert used == list(range(len(used)))
