"""What a command needs beyond the client: one of the extras that `pip install` takes, or a line that says which."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from hearken.errors import StartRefused
from hearken.packages import NAMES


@contextmanager
def needs(extra: Literal["server", "embedded"], what: str, instead: str = "") -> Iterator[None]:
    """Around imports, or as a decorator of a command: `what` cannot be had without `extra`.

    Raises `StartRefused` where a package of another project is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("hearken", "", *NAMES):
            raise
        raise StartRefused(
            f"{missing} is not installed; {what} needs `pip install 'hearken[{extra}]'`{instead}"
        ) from None
