"""`python -m benchmarks [--quick] [--out FOLDER]`."""

import argparse
from pathlib import Path

from benchmarks import attention, table
from benchmarks.machine import machine

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute instead of many: shows that it all works")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results are written")
    options = parser.parse_args()
    facts = machine()
    done = []
    for row in attention.rows(quick=options.quick):
        print(table.line(row), flush=True)
        done.append(row)
    for path in table.write(options.out, facts, done, quick=options.quick):
        print(path)


if __name__ == "__main__":
    main()
