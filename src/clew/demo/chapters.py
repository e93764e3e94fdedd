"""What the loop did and when, in the time of the flights: retrainings, promotions, rejections.

Trials say it: each begins when a retraining has made a new version, and ends with a verdict.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from clew.core.contracts.stores import Stores
from clew.core.types.endpoint import Endpoint, Trial, TrialState
from clew.demo.calendar import live_from_us

__all__ = ["Chapter", "Deed", "chapters_of"]


class Deed(StrEnum):
    """What happened to a version."""

    LIVE = "live"
    RETRAINED = "retrained"
    PROMOTED = "promoted"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"


class Chapter(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the loop did at a moment of event time to a version of the model."""

    at_us: int
    deed: Deed
    version: int
    text: str = ""


_ENDS = {
    TrialState.PROMOTED: Deed.PROMOTED,
    TrialState.REJECTED: Deed.REJECTED,
    TrialState.SUPERSEDED: Deed.SUPERSEDED,
}


def chapters_of(stores: Stores, endpoint: Endpoint) -> list[Chapter]:
    """What the loop did, in the order of time."""
    with stores.ledger.read() as tx:
        trials = tx.trials.list(endpoint.id)
        numbers = {trial.challenger: tx.models.version(trial.challenger).number for trial in trials}
        reasons = {
            alert.at_us: alert.text for alert in tx.alerts.list(endpoint.id, limit=10_000) if alert.kind == "retrain"
        }
        first = min((move.number for move in tx.models.moves(endpoint.model, endpoint.alias)[:1]), default=1)
    told = [Chapter(at_us=live_from_us(), deed=Deed.LIVE, version=first)]
    for trial in trials:
        why = reasons.get(trial.started_us, "").partition(": ")[2]
        told.append(Chapter(at_us=trial.started_us, deed=Deed.RETRAINED, version=numbers[trial.challenger], text=why))
        told += _end_of(trial, numbers[trial.challenger])
    return sorted(told, key=lambda chapter: (chapter.at_us, chapter.version, list(Deed).index(chapter.deed)))


def _end_of(trial: Trial, number: int) -> list[Chapter]:
    deed = _ENDS.get(trial.state)
    return [Chapter(at_us=trial.ended_us, deed=deed, version=number, text=trial.reason)] if deed is not None else []
