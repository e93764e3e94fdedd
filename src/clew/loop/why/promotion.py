"""Who or what gave a model version its name, when, and on what evidence."""

from __future__ import annotations

import msgspec

from clew.core.contracts.objects import Objects
from clew.core.contracts.stores import Stores
from clew.core.errors import Corrupt
from clew.core.ids import Digest
from clew.core.types.endpoint import Endpoint
from clew.core.types.gate import GateReport
from clew.core.types.model import Alias
from clew.loop.why.prediction import LoggedPrediction

__all__ = ["Promotion", "find_promotion"]


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """The move of a name that made a version decide; `gate` is the report that allowed it, None where none was asked.

    `next_us` is when the name moved on, 0 while it has not.
    """

    alias: str
    position: int
    moved_us: int
    moved_by: str
    reason: str
    report: Digest
    gate: GateReport | None
    next_us: int


def find_promotion(stores: Stores, endpoint: Endpoint, prediction: LoggedPrediction) -> Promotion | None:
    """The last move of a name to the version that decided, at the time of receipt.

    The endpoint's own name is looked at first. The very last move may name a newer version already: a replica follows
    a tenth of a second behind.
    """
    with stores.ledger.read() as tx:
        others = [move.alias for move in tx.models.aliases(endpoint.model) if move.alias != endpoint.alias]
        lines = [tx.models.moves(endpoint.model, alias) for alias in (endpoint.alias, *others)]
    for moves in lines:
        for at, move in reversed(list(enumerate(moves))):
            if move.moved_us <= prediction.received_us and move.version == prediction.version:
                return _promotion(stores.objects, move, next_us=moves[at + 1].moved_us if at + 1 < len(moves) else 0)
    return None


def _promotion(objects: Objects, move: Alias, *, next_us: int) -> Promotion:
    return Promotion(
        alias=move.alias,
        position=move.position,
        moved_us=move.moved_us,
        moved_by=move.moved_by,
        reason=move.reason,
        report=move.report,
        gate=_report(objects, move.report) if move.report else None,
        next_us=next_us,
    )


def _report(objects: Objects, digest: Digest) -> GateReport:
    try:
        return msgspec.msgpack.decode(objects.get(digest), type=GateReport)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Corrupt(f"the gate report {digest[:12]} cannot be read: {error}") from error
