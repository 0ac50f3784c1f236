"""``python -m hearken`` is the command line."""

from hearken.cli.main import main

if __name__ == "__main__":
    main()
