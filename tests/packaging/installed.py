"""Programs of an environment that is not the one the tests run in."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Installed:
    """An environment of its own, outside the tree, that has Hearken from the wheel."""

    folder: Path

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.folder / "bin" / "python")

    @property
    def hearken(self) -> str:
        """Its console script."""
        return str(self.folder / "bin" / "hearken")

    @property
    def site_packages(self) -> Path:
        """Where its packages are."""
        return next(self.folder.glob("lib/python*/site-packages"))

    def run(self, *arguments: str | Path, cwd: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
        """A program of it, to its end."""
        return subprocess.run(
            list(map(str, arguments)),
            cwd=cwd,
            env=plain_environment(**settings),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )


def plain_environment(**settings: str) -> dict[str, str]:
    """Ours without what would lead to the tree or to a service, and with these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HEARKEN_", "PYTHON"))}
    return kept | {"COLUMNS": "200", "OMP_NUM_THREADS": "1"} | settings
