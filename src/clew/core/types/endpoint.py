"""Endpoints, and the windows, trials and alerts of their lives."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from clew.core.ids import Digest

__all__ = ["AddedLabels", "Alert", "Endpoint", "Severity", "Trial", "TrialState", "Window"]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A served model. `predictions`, `shadows` and `labels` are the ids of its datasets of kind log."""

    id: str
    project: str
    name: str
    model: str
    alias: str
    predictions: str
    shadows: str
    labels: str
    created_us: int


class AddedLabels(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a file of labels: how many were added, and how many of them are about no decision that there is."""

    added: int
    unknown: int


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """What a monitor knows of one model version at an endpoint in `[start_us, end_us)` of event time.

    `profile` is the object with the counts; `report` the findings as JSON values (drift by column, value, AUC, label
    coverage). `revision` counts how often it was judged anew, because labels or late rows came.
    """

    endpoint: str
    version: str
    start_us: int
    end_us: int
    rows: int
    labels: int
    profile: Digest
    report: dict[str, object]
    revision: int
    judged_us: int


class TrialState(StrEnum):
    """How a challenger is doing."""

    RUNNING = "running"
    PROMOTED = "promoted"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A challenger in shadow against the champion; `test` is the state of the paired, anytime-valid test."""

    id: str
    endpoint: str
    champion: str
    challenger: str
    state: TrialState
    started_us: int
    ended_us: int
    test: dict[str, object]
    reason: str = ""


class Severity(StrEnum):
    """How much an alert matters."""

    NOTE = "note"
    WARN = "warn"
    PAGE = "page"


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a monitor found; `key` makes raising the same finding twice one alert."""

    id: str
    endpoint: str
    key: str
    kind: str
    severity: Severity
    at_us: int
    raised_us: int
    text: str
    facts: dict[str, object]
