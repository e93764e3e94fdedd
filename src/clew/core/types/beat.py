"""Signs of life of runs whose processes are on other machines."""

from __future__ import annotations

import msgspec

__all__ = ["Beat"]


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """How often a run has given a sign of life, and when it last did, by the clock of the server.

    Whether it lives is judged by the count alone: clocks jump.
    """

    run: str
    project: str
    count: int
    at_us: int
