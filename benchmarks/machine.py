"""What the numbers were measured on."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "transformers", "numpy", "triton", "transformer_lens", "bertviz")


def machine() -> dict[str, Any]:
    """Processor, memory, versions, kernel, load before the run, and the time."""
    import psutil
    import torch

    from attention.kernels import kernel_name

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "kernel": kernel_name(device),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
    }


def described(facts: dict[str, Any]) -> str:
    """What `machine` gives, as the beginning of a sentence."""
    return (
        f"{facts['when']}, {facts['processor']}, {facts['cores']} cores; kernel {facts['kernel']}; load before the run "
        f"{facts['load_before']:.1f}; Python {facts['python']}, torch {facts['versions']['torch']}"
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
