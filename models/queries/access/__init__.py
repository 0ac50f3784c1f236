"""Whose request it is: keys, and the sign-ins of browsers."""
