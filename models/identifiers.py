"""Opaque identifiers: a prefix that says what is named, and 26 letters that sort by time of making."""

import secrets
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
TIME_BITS = 48
RANDOM_BITS = 80


def new_identifier(prefix: str) -> str:
    """A fresh identifier such as ``an_01k8…``: 48 bits of milliseconds, then 80 random bits (the ULID layout)."""
    number = (time.time_ns() // 1_000_000 % (1 << TIME_BITS)) << RANDOM_BITS | secrets.randbits(RANDOM_BITS)
    return prefix + "_" + "".join(ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
