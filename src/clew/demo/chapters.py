"""What the loop did and when, in the time of the flights: retrainings, promotions, rejections.

Trials say it: each begins when a retraining has made a new version, and ends with a verdict.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from clew.core.contracts.stores import Stores
from clew.core.types.endpoint import Endpoint, TrialState
from clew.core.types.job import JobState
from clew.demo.calendar import live_from_us

__all__ = ["Chapter", "Deed", "chapters_of"]


class Deed(StrEnum):
    """What happened to a version."""

    LIVE = "live"
    RETRAINED = "retrained"
    PROMOTED = "promoted"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    FAILED = "failed"


class Chapter(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the loop did at a moment of event time, to a version of the model; 0 is none."""

    at_us: int
    deed: Deed
    version: int = 0
    text: str = ""


_MANY = 1_000_000
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
        jobs = [job for job in tx.jobs.list(stores.project, limit=_MANY) if job.kind == "retrain"]
        first = tx.models.moves(endpoint.model, endpoint.alias)[0].number
    reasons = {int(str(job.args["until_us"])): str(job.args["reason"]) for job in jobs}
    told = [Chapter(at_us=live_from_us(), deed=Deed.LIVE, version=first)]
    for trial in trials:
        number, why = numbers[trial.challenger], reasons.get(trial.started_us, "")
        told.append(Chapter(at_us=trial.started_us, deed=Deed.RETRAINED, version=number, text=why))
        if trial.state in _ENDS:
            told.append(Chapter(at_us=trial.ended_us, deed=_ENDS[trial.state], version=number, text=trial.reason))
    told += [
        Chapter(at_us=int(str(job.args["until_us"])), deed=Deed.FAILED, text=job.reason)
        for job in jobs
        if job.state is JobState.FAILED
    ]
    return sorted(told, key=lambda chapter: (chapter.at_us, chapter.version, list(Deed).index(chapter.deed)))
