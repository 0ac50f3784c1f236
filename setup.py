"""The compiled kernel, once for each level of vector registers, and where a wheel carries what lies beside `hearken`.

Each build is optional: without a compiler Hearken installs all the same and measures attention in PyTorch. Everything
else stands in pyproject.toml.
"""

import platform
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.dist_info import dist_info

LEVELS = {"plain": []}
if platform.machine() in ("x86_64", "AMD64"):
    LEVELS["avx2"] = ["-mavx2", "-mfma"]
    LEVELS["avx512"] = ["-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mavx2", "-mfma"]

THREADS = ["-fopenmp"] if sys.platform == "linux" else ["-pthread"]  # PyTorch for Linux brings OpenMP
FLAGS = [
    "-std=gnu11",
    "-O3",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=fast",
    "-fvisibility=hidden",
    "-g0",
]


class OneFolderWheel(bdist_wheel):
    """A wheel that brings one name, `hearken`: every other package lies in its folder `hearken/packages`.

    Names such as `models` and `service` belong to everybody: in site-packages they would hide a user's own.
    """

    def run(self) -> None:
        ours = self.distribution
        ours.package_dir = {placed(name): name for name in ours.packages if "." not in name}
        ours.packages = [placed(name) for name in ours.packages]
        ours.package_data = {placed(name): patterns for name, patterns in ours.package_data.items()}
        for extension in ours.ext_modules:
            extension.name = placed(extension.name)
        super().run()


class OneNameMetadata(dist_info):
    """What is said of a wheel before it is built: the one name that it brings."""

    def run(self) -> None:
        super().run()
        (Path(self.dist_info_dir) / "top_level.txt").write_text("hearken\n", encoding="utf-8")


def placed(name: str) -> str:
    """What a package or module is called in the wheel; `*` stands for all of them."""
    return name if name.partition(".")[0] in ("hearken", "*") else f"hearken.packages.{name}"


setup(
    cmdclass={"bdist_wheel": OneFolderWheel, "dist_info": OneNameMetadata},
    ext_modules=[
        Extension(
            f"attention.kernels._sweep_{level}",
            sources=["attention/kernels/sweep.c", "attention/reductions/sums.c"],
            depends=["attention/kernels/threads.h"],
            extra_compile_args=[*FLAGS, *THREADS, "-Wno-psabi", "-Wno-unknown-pragmas", *registers],
            extra_link_args=THREADS,
            libraries=["m"],
            optional=True,
        )
        for level, registers in LEVELS.items()
    ],
)
