"""What replicas have acknowledged and nobody has compacted yet: read, never moved.

A decision made a second ago stands in a replica's journal only. Compaction (`clew.serving.compaction`) brings it into
the logs; whoever asks about it does not have to wait for that, nor to write.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import Corrupt
from clew.core.types.endpoint import Endpoint
from clew.serving.compaction import journal_folder
from clew.serving.journal import HEADER, read_frames, segments
from clew.serving.records import DecisionRecord, LabelRecord, Record, ShadowRecord, decode

__all__ = [
    "Start",
    "payloads_from",
    "undrained",
    "waiting_decisions",
    "waiting_labels",
    "waiting_requests",
    "waiting_shadows",
]

_log = logging.getLogger("clew.loop")
_SHARED_DIGITS = 16
"""Digits that all rows of a request have in common: rows count on in the random bits behind them."""


class Start(NamedTuple):
    """A segment of a journal, and the offset from which on nothing is in the logs yet."""

    path: Path
    offset: int


def undrained(tx: Transaction, stores: Stores, endpoint: Endpoint) -> list[Start]:
    """Where what waits begins, in every segment of every replica, as one transaction sees it.

    Together with what the logs hold in the same transaction, that is every decision once.
    """
    logs = (endpoint.predictions, endpoint.shadows, endpoint.labels)
    found = []
    for replica in sorted(path for path in journal_folder(stores, endpoint.id).glob("*") if path.is_dir()):
        for path in segments(replica):
            journal = f"{replica.name}/{path.stem}"
            found.append(Start(path, max(HEADER, *(tx.logs.drained(log, journal) for log in logs))))
    return found


def payloads_from(starts: Iterable[Start], needles: Iterable[str] = ()) -> Iterator[bytes]:
    """Records that wait, encoded.

    A segment that is damaged gives what stands before the damage, and a warning: it must not hide the others.

    Args:
        starts: where they begin.
        needles: texts of which a record must hold one; all records when there are none.

    Raises:
        FileNotFoundError: a segment was compacted and removed meanwhile: the logs hold what stood in it.
    """
    texts = [needle.encode() for needle in needles]
    for start in starts:
        try:
            for payload, _ in read_frames(start.path, start.offset):
                if not texts or any(text in payload for text in texts):
                    yield payload
        except Corrupt as damage:
            _log.warning("%s", damage.what)


def waiting_decisions(stores: Stores, endpoint: Endpoint, id: str) -> list[DecisionRecord]:
    """Requests that wait and may hold the prediction of this id, of an id that begins so, or of this key."""
    return [record for record in _records(stores, endpoint, [id]) if isinstance(record, DecisionRecord)]


def waiting_requests(stores: Stores, endpoint: Endpoint) -> Iterator[DecisionRecord]:
    """Every request that waits."""
    return (record for record in _records(stores, endpoint, []) if isinstance(record, DecisionRecord))


def waiting_shadows(stores: Stores, endpoint: Endpoint, id: str) -> list[ShadowRecord]:
    """What versions in shadow said of the request that may hold this prediction."""
    return [record for record in _records(stores, endpoint, [id]) if isinstance(record, ShadowRecord)]


def waiting_labels(stores: Stores, endpoint: Endpoint, id: str, key: str) -> list[LabelRecord]:
    """Labels that wait and may be about a prediction, by its id or its key."""
    return [record for record in _records(stores, endpoint, [id, key]) if isinstance(record, LabelRecord)]


def _records(stores: Stores, endpoint: Endpoint, words: Iterable[str]) -> Iterator[Record]:
    """Look into the logs behind this: what was compacted meanwhile is there."""
    needles = [word[:_SHARED_DIGITS] for word in words if word]
    with stores.ledger.read() as tx:
        starts = undrained(tx, stores, endpoint)
    for start in starts:
        with suppress(FileNotFoundError):
            yield from map(decode, payloads_from([start], needles))
