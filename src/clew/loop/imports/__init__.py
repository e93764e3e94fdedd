"""Moving in from other trackers: what they recorded becomes experiments, runs, files and models of a project."""

from __future__ import annotations

from clew.loop.imports.foreign import Source
from clew.loop.imports.take_in import Count, Outcome, take_in

__all__ = ["Count", "Outcome", "Source", "take_in"]
