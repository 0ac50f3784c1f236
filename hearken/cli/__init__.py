"""The command line: the service as a whole and its parts, keys, and a client in the terminal.

What is heavy is imported inside the command that needs it, so that `--help` is instant.
"""
