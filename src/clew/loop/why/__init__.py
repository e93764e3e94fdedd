"""`clew why`: from one prediction to everything behind it. One part of the thread to a file."""

from clew.loop.why.thread import Why, scored_here, why

__all__ = ["Why", "scored_here", "why"]
