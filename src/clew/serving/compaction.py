"""From replicas' journals to the endpoint's logs: frames become Parquet objects and rows of the ledger.

One transaction moves the offset and adds the batches, so that a decision is in the log exactly once, whenever a
process dies; what was drained twice is refused by its source. Segments go only when the ledger says that they are in
the log. Design: docs/design/prediction-log.md.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from clew.core.contracts.stores import Stores
from clew.core.errors import Corrupt, Invalid, NotFound
from clew.core.ids import Digest
from clew.core.types.dataset import LogBatch
from clew.core.types.edge import Edge, Role, node
from clew.core.types.endpoint import Endpoint
from clew.core.types.signature import Signature
from clew.serving.journal import HEADER, is_written, read_frames, segments, torn_bytes
from clew.serving.log_rows import DecisionRows, label_frame, shadow_frame
from clew.serving.records import DecisionRecord, LabelRecord, Record, ShadowRecord, decode

if TYPE_CHECKING:
    import polars as pl
from clew.store.account import append_batches
from clew.store.objects.disk import disk_errors

__all__ = ["Compacted", "ProfileOf", "SignatureOf", "compact", "journal_folder", "set_aside"]

SignatureOf = Callable[[str], Signature]
"""The signature of a model version, by its id."""

ProfileOf = Callable[[str, "pl.DataFrame"], bytes | None]
"""The counts of some logged rows of one model version; None when it has no profile to count by."""

_MOST_ROWS = 100_000


@dataclass
class Compacted:
    """What one call moved into the logs. `damaged` says of each damaged segment, by its name, what is wrong: what stood
    before the damage was moved, what stands behind it waits for a person. `torn` says of segments that nobody writes to
    how many bytes stand behind their last whole record: one whose writer died, or damage. `set_aside` them then."""

    predictions: int = 0
    shadows: int = 0
    labels: int = 0
    batches: int = 0
    damaged: dict[str, str] = field(default_factory=dict)
    torn: dict[str, int] = field(default_factory=dict)


@dataclass
class _Range:
    """Some consecutive records of one journal."""

    start: int
    end: int
    decisions: dict[str, DecisionRows] = field(default_factory=dict)
    shadows: list[ShadowRecord] = field(default_factory=list)
    labels: list[LabelRecord] = field(default_factory=list)

    def add(self, record: Record, end: int) -> int:
        """Take up a record; how many rows that were."""
        self.end = end
        if isinstance(record, DecisionRecord):
            rows = self.decisions.get(record.version)
            if rows is None:
                rows = self.decisions[record.version] = DecisionRows()
            rows.add(record)
            return record.rows
        if isinstance(record, ShadowRecord):
            self.shadows.append(record)
            return len(record.scores)
        self.labels.append(record)
        return len(record.labels)


def journal_folder(stores: Stores, endpoint: str) -> Path:
    """Where the replicas of an endpoint keep their journals."""
    return stores.folder / "decisions" / endpoint


def compact(
    stores: Stores, endpoint: Endpoint, *, signature_of: SignatureOf, profile_of: ProfileOf | None = None
) -> Compacted:
    """Move everything acknowledged so far into the logs, also from replicas that are at work.

    Returns:
        How many rows were moved, and which segments are damaged: one must not hold up the others.
    """
    moved = Compacted()
    root = journal_folder(stores, endpoint.id)
    for replica in sorted(path for path in root.glob("*") if path.is_dir()):
        for path in segments(replica):
            journal = f"{replica.name}/{path.stem}"
            closed = not is_written(path)  # asked before it is read: what is closed now has no later frames
            end = _drained(stores, endpoint, journal)
            try:
                for some in _ranges(path, end):
                    _move(stores, endpoint, journal, some, moved, signature_of=signature_of, profile_of=profile_of)
                    end = some.end
            except (Corrupt, Invalid, NotFound) as damage:  # of the segment, or of the package that decided
                moved.damaged[journal] = damage.what
                continue
            except FileNotFoundError:  # another process drained and removed it
                continue
            if closed and _drained(stores, endpoint, journal) >= end:
                with disk_errors(f"remove {path}"), suppress(FileNotFoundError):  # another process was first
                    if torn := torn_bytes(path, end):
                        moved.torn[journal] = torn
                    else:
                        path.unlink()
    return moved


def set_aside(stores: Stores, endpoint: Endpoint, journals: Iterable[str]) -> None:
    """Put torn segments out of the way, once it is told of them; repeating it does nothing."""
    for journal in journals:
        path = journal_folder(stores, endpoint.id) / f"{journal}.seg"
        with disk_errors(f"set {path} aside"), suppress(FileNotFoundError):
            path.rename(path.with_suffix(".torn"))


def _drained(stores: Stores, endpoint: Endpoint, journal: str) -> int:
    with stores.ledger.read() as tx:
        logs = (endpoint.predictions, endpoint.shadows, endpoint.labels)
        return max(HEADER, *(tx.logs.drained(log, journal) for log in logs))


def _ranges(path: Path, start: int) -> Iterator[_Range]:
    """The frames from `start` on, in pieces of bounded size.

    Raises:
        Corrupt: a frame is damaged, or holds no record; the frames before it were given.
    """
    some, rows = _Range(start=start, end=start), 0
    damage: Corrupt | None = None
    try:
        for payload, end in read_frames(path, start):
            rows += some.add(_record(payload, path, some.end), end)
            if rows >= _MOST_ROWS:
                yield some
                some, rows = _Range(start=end, end=end), 0
    except Corrupt as error:
        damage = error
    if some.end > some.start:
        yield some
    if damage is not None:
        raise damage


def _record(payload: bytes, path: Path, at: int) -> Record:
    try:
        record: Record = decode(payload)
    except msgspec.DecodeError as error:
        raise Corrupt(f"{path} holds no record of clew at byte {at}: {error}", hint="install a newer clew") from error
    return record


def _move(
    stores: Stores,
    endpoint: Endpoint,
    journal: str,
    some: _Range,
    moved: Compacted,
    *,
    signature_of: SignatureOf,
    profile_of: ProfileOf | None,
) -> None:
    """Objects first, then one transaction; nothing if another process was first."""
    source = f"{journal}@{some.start}"
    batches: list[LogBatch] = []
    edges: list[tuple[str, LogBatch]] = []
    for version, rows in some.decisions.items():
        frame = rows.frame(signature_of(version))
        counts = profile_of(version, frame) if profile_of else None
        profile = stores.objects.put(counts) if counts else Digest("")
        batch = _batch(stores, endpoint.predictions, frame, source=f"{source}/{version}", end=some.end)
        batch = msgspec.structs.replace(batch, profile=profile)
        batches.append(batch)
        edges.append((version, batch))
    if some.shadows:
        batches.append(_batch(stores, endpoint.shadows, shadow_frame(some.shadows), source=source, end=some.end))
    if some.labels:
        batches.append(_batch(stores, endpoint.labels, label_frame(some.labels), source=source, end=some.end))
    with stores.ledger.write() as tx:
        logs = (endpoint.predictions, endpoint.shadows, endpoint.labels)
        if max(HEADER, *(tx.logs.drained(log, journal) for log in logs)) != some.start:
            return
        append_batches(stores, tx, batches)
        tx.edges.add(
            Edge(
                source=node("model", version),
                target=node("batch", f"{batch.dataset}/{batch.source}"),
                role=Role.LOGGED,
                at_us=batch.created_us,
            )
            for version, batch in edges
        )
    moved.batches += len(batches)
    moved.predictions += sum(len(rows) for rows in some.decisions.values())
    moved.shadows += sum(len(record.scores) for record in some.shadows)
    moved.labels += sum(len(record.labels) for record in some.labels)


def _batch(stores: Stores, dataset: str, frame: pl.DataFrame, *, source: str, end: int) -> LogBatch:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    content = buffer.getvalue()
    return LogBatch(
        dataset=dataset,
        position=0,
        object=stores.objects.put(content),
        rows=frame.height,
        size_bytes=len(content),
        time_low_us=int(frame["time_us"].min()),  # type: ignore[arg-type]  # of Int64 without nulls
        time_high_us=int(frame["time_us"].max()),  # type: ignore[arg-type]
        id_low=str(frame["id"].min()),
        id_high=str(frame["id"].max()),
        created_us=stores.clock.now_us(),
        source=source,
        source_end=end,
    )
