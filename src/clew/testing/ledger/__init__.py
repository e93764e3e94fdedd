"""The suite that every ledger must pass. Subclass `LedgerContract` and give a `ledger` fixture that starts empty."""

from __future__ import annotations

from clew.testing.ledger.examples import (
    NO_DIGEST,
    a_batch,
    a_block,
    a_dataset,
    a_job,
    a_model_version,
    a_move,
    a_run,
    a_step,
    a_version,
    a_window,
    an_alert,
    an_endpoint,
    an_entry,
    an_event,
    change,
)
from clew.testing.ledger.suite import LedgerContract

__all__ = [
    "LedgerContract",
    "NO_DIGEST",
    "a_batch",
    "a_block",
    "a_dataset",
    "a_job",
    "a_model_version",
    "a_move",
    "a_run",
    "a_step",
    "a_version",
    "a_window",
    "an_alert",
    "an_endpoint",
    "an_entry",
    "an_event",
    "change",
]
