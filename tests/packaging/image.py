"""What `docker build` would see: the files that the Dockerfile's COPY lines take from the tree."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from project_tree import ROOT


@dataclass(frozen=True)
class Stage:
    """One stage of the Dockerfile: its name, what it copies from the tree, and what it runs."""

    name: str
    copied: tuple[tuple[str, str], ...]
    """Source and target of each COPY."""
    commands: tuple[str, ...]


def stages() -> list[Stage]:
    """The stages in their order; one without a name has an empty one."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "\\\n" not in text, "a line that goes on is not read here"
    return [_stage(part) for part in re.split(r"^FROM ", text, flags=re.M)[1:]]


def _stage(text: str) -> Stage:
    name = re.match(r"\S+ AS (\S+)", text)
    copied = []
    for line in re.findall(r"^COPY (.+)$", text, flags=re.M):
        *sources, target = line.split()
        if not sources[0].startswith("--from="):
            copied += [(source, target) for source in sources]
    return Stage(name[1] if name else "", tuple(copied), tuple(re.findall(r"^RUN (.+)$", text, flags=re.M)))


def copy_into(folder: Path, stage: Stage) -> Path:
    """Fill `folder` with exactly what the stage copies from a tree without what .dockerignore names, and return it."""
    folder.mkdir(parents=True)
    for source, target in stage.copied:
        place = folder / target
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place, ignore=_ignored, dirs_exist_ok=True)
        else:
            assert target.endswith("/"), f"COPY {source} {target} would rename it"
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / source, place)
    return folder


def _ignored(folder: str, names: list[str]) -> set[str]:
    inside = PurePosixPath(Path(folder).relative_to(ROOT))
    return {name for name in names if any(pattern.fullmatch(str(inside / name)) for pattern in _PATTERNS)}


def _pattern(line: str) -> re.Pattern[str]:
    """A line of .dockerignore, which is taken from the tree's root; ``**`` stands for any number of folders."""
    rest = re.escape(line.removeprefix("**/")).replace(r"\*", "[^/]*")
    return re.compile(f"(?:.*/)?{rest}" if line.startswith("**/") else rest)


_PATTERNS = [_pattern(line) for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").split()]
