"""``python -m hearken`` is the command line."""

from hearken.command_line import main

if __name__ == "__main__":
    main()
