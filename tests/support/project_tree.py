"""Where the project's own files are, for tests that read or start them."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples"
SUPPORT = Path(__file__).parent
