"""How a ledger in PostgreSQL is: what its server does to keep it, and what of it cannot be read. Changes nothing."""

from __future__ import annotations

import msgspec

__all__ = ["Condition"]


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at a database found.

    `version` is the ledger's, `server` PostgreSQL's. `unsafe` names settings of the server with which what was promised
    to survive *power* does not; `damaged` says what cannot be read, or is not used any more, table by table.
    """

    version: int
    server: str
    unsafe: list[str]
    damaged: list[str]
