"""PEFT, brought in without bitsandbytes, which asks the hub for code as soon as it is imported.

PEFT imports that package wherever it is installed. What is used of PEFT here has no need of it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

FETCHING: Final = "bitsandbytes"


@contextmanager
def _not_to_be_imported(package: str) -> Iterator[None]:
    if package in sys.modules:  # somebody has imported it before: nothing is fetched any more
        yield
        return
    modules: dict[str, Any] = sys.modules
    modules[package] = None  # how Python says that there is no such module
    try:
        yield
    finally:
        del modules[package]


with _not_to_be_imported(FETCHING):
    from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

__all__ = ["LoraConfig", "get_peft_model", "get_peft_model_state_dict", "set_peft_model_state_dict"]
