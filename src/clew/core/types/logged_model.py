"""Logged models: what a run logged as a model, before anybody gave it a name in the registry."""

from __future__ import annotations

from enum import StrEnum

import msgspec

__all__ = ["LoggedMetric", "LoggedModel", "LoggedModelStatus"]


class LoggedModelStatus(StrEnum):
    """Where a logged model is in its life: its files are on their way, there, or will not come."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"


class LoggedMetric(msgspec.Struct, frozen=True, kw_only=True):
    """One number that a run measured of a logged model, on a dataset if one was named. It has no other identity."""

    model: str
    key: str
    value: float
    step: int
    time_us: int
    run: str
    dataset: str = ""
    digest: str = ""


class LoggedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model's files as a run logged them. Its artifacts and metrics are rows under its id.

    One with `deleted_us` lies in the trash; of one with `purged_us` this row is all that is left, as a record.
    """

    id: str
    project: str
    experiment: str
    name: str
    status: LoggedModelStatus
    created_us: int
    run: str = ""
    type: str = ""
    reason: str = ""
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    updated_us: int = 0
    deleted_us: int = 0
    purged_us: int = 0
