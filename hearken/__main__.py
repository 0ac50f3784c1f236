"""The command line: ``python -m hearken``, and what the command ``hearken`` calls."""

import sys

from hearken.packages import come_first


def main() -> None:
    """Run the command line in a process of our own: its packages are ours, whatever lies in the folder we stand in."""
    come_first()
    from hearken.cli.main import main as run

    run()


if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]  # the folder we stand in, which `python -m` puts first
    main()
