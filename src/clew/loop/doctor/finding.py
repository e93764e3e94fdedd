"""What a look at a project found."""

from __future__ import annotations

from enum import StrEnum

import msgspec

__all__ = ["Finding", "Level"]


class Level(StrEnum):
    """How much a finding matters: nothing to do, something to look at, something that is lost or will be."""

    GOOD = "good"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at. `check` names it, `hint` says what to do, `fixed` whether it was done."""

    check: str
    level: Level
    text: str
    hint: str = ""
    fixed: bool = False
