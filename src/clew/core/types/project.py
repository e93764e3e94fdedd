"""A project: the namespace that owns everything else."""

from __future__ import annotations

import msgspec

__all__ = ["Project"]


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """The namespace that owns everything else; names are unique within it."""

    id: str
    name: str
    created_us: int
