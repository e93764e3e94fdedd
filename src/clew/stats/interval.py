"""The noun `clew.core.types.interval.Interval`, where statistics look for it."""

from __future__ import annotations

from clew.core.types.interval import Interval

__all__ = ["Interval"]
