"""The compiled kernel, once for each level of vector registers; everything else stands in pyproject.toml.

Each build is optional: without a compiler Hearken installs all the same and measures attention in PyTorch.
"""

import platform
import sys

from setuptools import Extension, setup

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

setup(
    ext_modules=[
        Extension(
            f"attention.kernels._sweep_{level}",
            sources=["attention/kernels/sweep.c"],
            extra_compile_args=[*FLAGS, *THREADS, "-Wno-psabi", "-Wno-unknown-pragmas", *registers],
            extra_link_args=THREADS,
            libraries=["m"],
            optional=True,
        )
        for level, registers in LEVELS.items()
    ]
)
