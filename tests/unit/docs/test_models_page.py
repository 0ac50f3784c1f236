"""The table of families in docs/models.md is what a small network of each family gives."""

import warnings

import pytest
from every_family import outcome_of, table, text_families, written

SOME = (
    "albert", "bart", "bert", "bloom", "deepseek_v3", "gemma2", "gemma3_text", "gemma4_text", "gpt2", "gpt_oss",
    "llama", "longformer", "mamba", "modernbert", "mpnet", "phi3", "qwen2_vl_text", "qwen3_next", "roformer", "xglm",
)  # fmt: skip
"""Of each outcome some, in `make test`; all of them in `make test-slow`."""


def lines() -> dict[str, str]:
    return {line.split("|")[1].strip(): line for line in written().splitlines()[2:]}


def test_every_text_family_of_transformers_has_a_line() -> None:
    assert list(lines()) == text_families()
    assert sum("| measured |" in line for line in lines().values()) > 125


def hold(families: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcomes = [outcome_of(family) for family in families]
    assert table(outcomes).splitlines()[2:] == [lines()[family] for family in families]
    in_company = {found.family: found.error for found in outcomes if found.measured}
    assert {family: error for family, error in in_company.items() if error > 1e-5} == {}


def test_the_table_says_what_some_families_give() -> None:
    hold(list(SOME))


@pytest.mark.slow
def test_the_table_says_what_every_family_gives() -> None:
    hold(text_families())
