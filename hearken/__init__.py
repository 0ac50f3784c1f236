"""What a person uses from Python and the terminal: the client, the command line, the embedded stack.

Talks to the service over HTTP like any other client; starts Postgres, Redis, API and workers where none run.
"""

from typing import TYPE_CHECKING, Any

from hearken.packages import find_beside

find_beside()

if TYPE_CHECKING:
    from hearken.reading import read

__all__ = ["read"]


def __getattr__(name: str) -> Any:
    if name == "read":  # loaded when it is first asked for, so that the command line starts at once
        from hearken.reading import read

        return read
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
