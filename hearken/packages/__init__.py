"""Where the packages beside `hearken` lie, and how each is found whatever else on the machine has its name.

In a clone they lie beside `hearken`; a wheel carries them in this folder: names so common would hide a user's own.
"""

# A program of ours has a process to itself: `come_first` puts their folder first on its path, each goes by its name. A
# program of a user's that imports `hearken` keeps its path and its names: what `hearken` imports from `models` is then
# `hearken.packages.models` (`find_beside`), and `import models` finds the user's own, before and after.

import builtins
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Final

NAMES: Final = ("attention", "formats", "migrations", "models", "report", "service", "workers")
_HERE = Path(__file__).parent
FOLDER: Final = _HERE if (_HERE / "models").is_dir() else _HERE.parent.parent
"""The folder that holds them: this one where a wheel was installed, the clone's otherwise."""

__path__ = [str(FOLDER)]


def come_first() -> None:
    """Let every name of ours mean our package in this process, whatever folder it was started in.

    Raises ImportError where another package has been imported under one of the names.
    """
    for name in NAMES:
        if name in sys.modules and not _is_ours(name):
            origin = getattr(sys.modules[name], "__file__", None) or "elsewhere"
            raise ImportError(
                f"{name} is imported already, from {origin}: Hearken's own packages cannot come first in this process"
            )
    sys.path.insert(0, str(FOLDER))
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)


def find_beside() -> None:
    """Let `hearken` import its packages as `hearken.packages.NAME`, unless each is found by its name already."""
    if _finder not in sys.meta_path and not all(_is_ours(name) for name in NAMES):
        sys.meta_path.insert(0, _finder)


def _is_ours(name: str) -> bool:
    """Whether `import NAME` gives, or gave, the package in `FOLDER`."""
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:  # a module made by hand, without a spec
        return False
    places = [] if spec is None else list(spec.submodule_search_locations or ())
    return [Path(place) for place in places] == [FOLDER / name]


def _import(
    name: str,
    globals: Mapping[str, object] | None = None,  # noqa: A002 - named by `__import__`
    locals: Mapping[str, object] | None = None,  # noqa: A002
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    """`__import__` as modules of ours see it where others may have their names."""
    first = name.partition(".")[0]
    if level != 0 or first not in NAMES:
        return builtins.__import__(name, globals, locals, fromlist, level)
    found = builtins.__import__(f"{__name__}.{name}", globals, locals, fromlist or ("__name__",), 0)
    return found if fromlist else sys.modules[f"{__name__}.{first}"]


class _Loader(SourceFileLoader):
    """Runs a module with `_import` for the statement `import`, at its top and within its functions."""

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _import}
        super().exec_module(module)


class _Finder(MetaPathFinder):
    """Finds modules of `hearken`, its packages included, as ever, and has `_Loader` run them."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith("hearken.") or path is None:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


_finder = _Finder()
