"""The random state inside a step: made of its name and arguments, and the caller's untouched.

Without it, what a step draws would depend on whether the steps before it ran or came from the cache. The code is no
part of it, so that a step draws the same before and after an edit. Covers `random` and NumPy's global state; a
generator that a step makes itself is seeded by whoever makes it.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from clew.core.ids import Digest

__all__ = ["seeded"]


@contextmanager
def seeded(seed: Digest) -> Iterator[None]:
    """Run the block with the random state of a seed."""
    numpy = sys.modules.get("numpy")
    before = random.getstate()
    held = numpy.random.get_state() if numpy is not None else None
    random.seed(int(seed[:16], 16))
    if numpy is not None:
        numpy.random.seed(int(seed[:8], 16))
    try:
        yield
    finally:
        random.setstate(before)
        if numpy is not None:
            numpy.random.set_state(held)
