"""Moving a project: its rows to another ledger, its bytes to other objects, up or down."""

from __future__ import annotations

from clew.loop.moving.move import Plan, find_moved, move, plan_of
from clew.loop.moving.moved import Moved, Part

__all__ = ["Moved", "Part", "Plan", "find_moved", "move", "plan_of"]
