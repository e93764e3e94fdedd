"""What the endpoint has acknowledged already, by the keys of the flights: this is how an interrupted replay goes on.

Journals are read before the logs, because what is compacted between the two looks is in the logs by then.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from clew.core.contracts.stores import Stores
from clew.core.types.endpoint import Endpoint
from clew.core.types.job import JobState
from clew.loop.waiting import payloads_from, undrained
from clew.monitoring.logged import read_decisions, read_labels
from clew.serving.records import DecisionRecord, LabelRecord, Record, decode

__all__ = ["judged_until_us", "labelled_keys", "served_keys"]

_MANY = 1_000_000


def served_keys(stores: Stores, endpoint: Endpoint, low_us: int, high_us: int) -> set[str]:
    """The flights whose decisions of `low_us ≤ time < high_us` are logged."""
    waiting = _waiting(stores, endpoint)
    keys = {
        key
        for record in waiting
        if isinstance(record, DecisionRecord) and low_us <= record.time_us < high_us
        for key in record.keys
    }
    logged = read_decisions(stores, endpoint, low_us, high_us)
    return keys if logged is None else keys.union(logged["key"].to_list())


def labelled_keys(stores: Stores, endpoint: Endpoint, at_us: int) -> set[str]:
    """The flights whose labels were told at a moment."""
    waiting = _waiting(stores, endpoint)
    keys = {
        key for record in waiting if isinstance(record, LabelRecord) and record.time_us == at_us for key in record.keys
    }
    logged = read_labels(stores, endpoint, at_us, at_us + 1)
    return keys if logged is None else keys.union(logged["key"].to_list())


def _waiting(stores: Stores, endpoint: Endpoint) -> Iterator[Record]:
    """Records that stand in journals only; those of a segment that is compacted meanwhile are in the logs by then."""
    with stores.ledger.read() as tx:
        starts = undrained(tx, stores, endpoint)
    for start in starts:
        with suppress(FileNotFoundError):
            yield from map(decode, payloads_from([start]))


def judged_until_us(stores: Stores, endpoint: str) -> int:
    """Up to when a worker has judged the endpoint, in event time; 0 when it never has."""
    with stores.ledger.read() as tx:
        done = tx.jobs.list(stores.project, state=JobState.DONE, limit=_MANY)
    looks = [job.args for job in done if job.kind == "watch" and job.args.get("endpoint") == endpoint]
    return max((int(str(args.get("until_us", 0))) for args in looks), default=0)
