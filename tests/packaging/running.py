"""`hearken serve` from the wheel, in a folder where every name that it imports by is somebody else's too."""

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.packaging.installed import Installed, plain_environment

FOREIGN = ("attention", "formats", "migrations", "models", "report", "service", "workers")


@dataclass(frozen=True)
class Service:
    """A whole stack that serves at `url`; `logs` is the folder of its parts' logs."""

    url: str
    logs: Path


def foreign_folder(folder: Path) -> Path:
    """A user's project: packages and modules under our names, each of which says whose it is."""
    folder.mkdir()
    for name in FOREIGN:
        place = folder / f"{name}.py" if name in ("attention", "report", "service") else folder / name / "__init__.py"
        place.parent.mkdir(exist_ok=True)
        place.write_text('OWNER = "the user"\n', encoding="utf-8")
    (folder / "samples").mkdir()
    return folder


@contextmanager
def serving(installed: Installed, cwd: Path, data: Path) -> Iterator[Service]:
    """`hearken serve`, until it serves, for the block, to its end, which has to be a good one."""
    command = [installed.hearken, "serve", "--data-dir", str(data), "--port", "0"]
    process = subprocess.Popen(
        command, cwd=cwd, env=plain_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    said = ""
    try:
        for line in process.stdout:
            said += line
            if found := re.search(r"Serving at (http://\S+)", line):
                yield Service(found[1], data / "logs")
                break
        else:
            raise AssertionError(f"hearken serve ended with {process.wait()}:\n{said}")
        process.send_signal(signal.SIGTERM)
        assert "Stopped." in process.communicate(timeout=30)[0]
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()
