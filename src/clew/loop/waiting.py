"""What replicas have acknowledged and nobody has compacted yet: read, never moved.

A decision made a second ago stands in a replica's journal only. Compaction (`clew.serving.compaction`) brings it into
the logs; whoever asks about it does not have to wait for that, nor to write.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from clew.core.contracts.stores import Stores
from clew.core.types.endpoint import Endpoint
from clew.serving.compaction import journal_folder
from clew.serving.journal import HEADER, read_frames, segments
from clew.serving.records import DecisionRecord, LabelRecord, Record, ShadowRecord, decode

__all__ = ["waiting_decisions", "waiting_labels", "waiting_payloads", "waiting_shadows"]

_SHARED_DIGITS = 16
"""Digits that all rows of a request have in common: rows count on in the random bits behind them."""


def waiting_payloads(stores: Stores, endpoint: Endpoint, needles: Iterable[str] = ()) -> Iterator[bytes]:
    """Records that wait, encoded, of all replicas of an endpoint.

    Look here first and into the logs afterwards, or into the logs again: what is compacted between two looks at
    journals is in the logs by then.

    Args:
        stores: the project.
        endpoint: whose replicas.
        needles: texts of which a record must hold one; all records when there are none.

    Raises:
        Corrupt: a journal is damaged; what stands before the damage has been given.
    """
    texts = [needle.encode() for needle in needles]
    root = journal_folder(stores, endpoint.id)
    for replica in sorted(path for path in root.glob("*") if path.is_dir()):
        for path in segments(replica):
            try:
                for payload, _ in read_frames(path, _drained(stores, endpoint, f"{replica.name}/{path.stem}")):
                    if not texts or any(text in payload for text in texts):
                        yield payload
            except FileNotFoundError:  # compacted and removed meanwhile
                continue


def waiting_decisions(stores: Stores, endpoint: Endpoint, id: str) -> list[DecisionRecord]:
    """Requests that wait and may hold the prediction of this id, or of an id that begins so."""
    return [record for record in _records(stores, endpoint, [id]) if isinstance(record, DecisionRecord)]


def waiting_shadows(stores: Stores, endpoint: Endpoint, id: str) -> list[ShadowRecord]:
    """What versions in shadow said of the request that may hold this prediction."""
    return [record for record in _records(stores, endpoint, [id]) if isinstance(record, ShadowRecord)]


def waiting_labels(stores: Stores, endpoint: Endpoint, id: str, key: str) -> list[LabelRecord]:
    """Labels that wait and may be about a prediction, by its id or its key."""
    return [record for record in _records(stores, endpoint, [id, key]) if isinstance(record, LabelRecord)]


def _records(stores: Stores, endpoint: Endpoint, words: Iterable[str]) -> Iterator[Record]:
    needles = [word[:_SHARED_DIGITS] for word in words if word]
    return (decode(payload) for payload in waiting_payloads(stores, endpoint, needles))


def _drained(stores: Stores, endpoint: Endpoint, journal: str) -> int:
    with stores.ledger.read() as tx:
        logs = (endpoint.predictions, endpoint.shadows, endpoint.labels)
        return max(HEADER, *(tx.logs.drained(log, journal) for log in logs))
