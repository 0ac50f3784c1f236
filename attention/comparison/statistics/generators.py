"""Chance that can be repeated: every random draw has a generator of its own, named by its purpose."""

import hashlib
import json

import numpy as np


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """A generator that depends on the seed and on what it is for, never on what was drawn before it.

    Two purposes have independent streams, so that one more group, metric or map changes no other number.
    """
    digest = hashlib.sha256(json.dumps([seed, *purpose]).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))
