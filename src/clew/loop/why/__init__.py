"""`clew why`: from one prediction to everything behind it. One part of the thread to a file."""

from clew.loop.why.thread import Why, why

__all__ = ["Why", "why"]
