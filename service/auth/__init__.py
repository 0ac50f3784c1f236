"""Whose request it is: a key, a browser's sign-in, or this machine's own."""
