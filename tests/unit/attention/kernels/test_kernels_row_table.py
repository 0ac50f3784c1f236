"""The row statistics of the Python class, the C sweep and the Triton kernel are the same, each at its own place."""

import ctypes
import re
from pathlib import Path

import pytest
import torch

from attention.definitions import SINK_LIMIT
from attention.kernels import RowStatistics, compiled
from attention.kernels.distance_baseline import ROUNDING
from attention.kernels.rows import EVERY_ROW, FIXED_POINT, PLACES, TURN_ROWS
from attention.reductions import compiled as compiled_sums
from attention.reductions.expectation import FLAGS
from attention.reductions.summed import ROW_MEANS, SUMMED

SWEEP = Path(compiled.__file__).with_name("sweep.c")
SUMS = Path(compiled_sums.__file__).with_name("sums.c")
NUMBERS = {
    "int32_t": ctypes.c_int32,
    "int64_t": ctypes.c_int64,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
}


def struct_of(source: str, name: str = "sweep") -> list[tuple[str, object]]:
    """The fields of a struct in a C source, in order, with the ctypes that have their size."""
    (body,) = re.findall(rf"struct {name} \{{(.*?)\n\}};", re.sub(r"/\*.*?\*/", "", source, flags=re.S), re.S)
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


def test_the_struct_of_the_sums_is_laid_out_as_python_fills_it() -> None:
    assert struct_of(SUMS.read_text(encoding="utf-8"), "sums") == list(compiled_sums._Sums._fields_)


def enumerated(name: str) -> list[tuple[str, int | None]]:
    """The names of an enumeration of sums.c in order, with their values where these are written."""
    (body,) = re.findall(rf"enum {name} \{{(.*?)\}};", SUMS.read_text(encoding="utf-8"), re.S)
    each = (part.partition("=") for part in filter(None, map(str.strip, body.split(","))))
    return [(word.strip(), int(value) if value else None) for word, _, value in each]


def test_the_sums_in_c_have_the_same_rows_kinds_and_flags() -> None:
    assert [name.lower() for name, _ in enumerated("row")] == list(EVERY_ROW + TURN_ROWS)
    *kinds, last = [name for name, _ in enumerated("summed")]
    assert [name.removeprefix("SUM_").lower() for name in kinds] == list(SUMMED)
    assert last == "SUMMED"
    assert kinds[len(ROW_MEANS)] == "SUM_CROSS_TURN_UNIFORM"  # where the metrics that turns have too end
    assert dict(enumerated("flag")) == FLAGS


def test_the_limits_in_c_are_those_of_python() -> None:
    for source in (SWEEP, SUMS):
        text = source.read_text(encoding="utf-8")
        (fixed,) = re.findall(r"#define FIXED_POINT ([\d.]+)", text)
        (limit,) = re.findall(r"#define (?:SINK|REST)_LIMIT ([\de.-]+)f", text)
        assert 1 / float(fixed) == FIXED_POINT
        assert float(limit) == SINK_LIMIT
    (rounding,) = re.findall(r"#define ROUNDING ([\de.-]+)", SUMS.read_text(encoding="utf-8"))
    assert float(rounding) == ROUNDING


def test_every_statistic_is_a_view_of_its_own_place() -> None:
    values = torch.arange(len(EVERY_ROW + TURN_ROWS), dtype=torch.float32).view(-1, 1, 1, 1)
    rows = RowStatistics(values)
    assert [float(getattr(rows, name)) for name in EVERY_ROW + TURN_ROWS] == list(range(len(values)))
    assert rows.has_turns
    assert not RowStatistics(values[: len(EVERY_ROW)]).has_turns


def test_the_triton_kernel_has_the_place_of_each() -> None:
    pytest.importorskip("triton", reason="triton is not installed here", exc_type=ImportError)
    from attention.kernels.fused import row_pass

    found = {name: getattr(row_pass, f"AT_{name.upper()}").value for name in EVERY_ROW + TURN_ROWS}
    assert found == PLACES
