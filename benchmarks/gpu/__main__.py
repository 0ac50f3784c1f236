"""`python -m benchmarks.gpu [PART ...] [--seconds N] [--out FOLDER]`; on a CPU with tiny sizes, to try it out."""

import argparse
import os
import sys
import traceback
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing here is fetched

from benchmarks.gpu import correctness, forward, launches, operation, passes
from benchmarks.gpu.device import Clock, card
from benchmarks.gpu.table import Table

PARTS = {
    "correctness": correctness.measure,
    "passes": passes.measure,
    "launches": launches.measure,
    "small": forward.measure_small,
    "operation": operation.measure,
    "large": forward.measure_large,
}
RESULTS = Path(__file__).parent.parent / "results"


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.gpu", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all unless named")
    parser.add_argument("--seconds", type=float, default=220.0, help="parts that have not begun by then are left out")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the table is written")
    options = parser.parse_args()
    unknown = [name for name in options.parts if name not in PARTS]
    if unknown:
        parser.error(f"no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    table, clock, failed = Table(card()), Clock(options.seconds), False
    for name in options.parts or PARTS:
        try:
            PARTS[name](table, clock)
        except Exception as error:
            traceback.print_exc()
            table.add(name, "failed", repr(error)[:300])
            failed = True
    print(table.write(options.out))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
