"""Compares rows of the state with what events say of them by digest. The last claim on a row holds.

Memory grows with the number of named things and with what is wrong, not with the number of events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from clew.audit.problem import Found, Problem, Problems, named
from clew.core.contracts.ledger import Transaction
from clew.core.errors import NotFound
from clew.core.types.dataset import DatasetVersion, LogBatch
from clew.core.types.event import Event, SealedEvent
from clew.core.types.model import ModelVersion
from clew.store.account import artifacts_digest, row_digest, series_digest

__all__ = ["Claims"]

T = TypeVar("T")
GONE, UNREADABLE, NONE = "gone", "unreadable", "none"
"""What stands for the digest of a row that is not there, is damaged, or never was."""

BROKEN = (msgspec.MsgspecError, ValueError, TypeError, OverflowError)
"""What reading a row raises whose text was edited by hand."""

_LOWEST = -(2**62)
_MOST_NAMED = 1000


class Claims:
    """What the events of a project claim, seen one after the other.

    Args:
        tx: a reading transaction; events and rows are of one moment.
        project: whose rows.
    """

    def __init__(self, tx: Transaction, project: str) -> None:
        self._tx, self._project = tx, project
        self.rows, self.older = 0, 0
        self._wrong: dict[str, Problem] = {}
        self._newest: dict[str, int] = {}
        self._see: dict[str, Callable[[Event, int], None]] = {
            "version.added": self._version,
            "version.described": self._version,
            "version.deleted": self._version,
            "version.restored": self._version,
            "version.purged": self._version,
            "alias.moved": self._move,
            "endpoint.declared": self._endpoint,
            "log.appended": self._batches,
            "run.ended": self._run,
            "run.points_added": self._series,
            "run.described": self._revised,
            "run.artifact_added": self._revised,
            "run.artifact_removed": self._revised,
            "run.deleted": self._revised,
            "run.restored": self._revised,
            "run.resumed": self._resumed,
            "run.purged": self._purged,
            "trial.promoted": self._trial,
            "trial.rejected": self._trial,
            "trial.superseded": self._trial,
        }

    def see(self, event: Event | None, row: SealedEvent) -> None:
        """Look at a row of the chain, with its event if it can be read."""
        if event is not None:
            self.claim(event, row.position)

    def claim(self, event: Event, position: int) -> None:
        """Compare what an event claims with what there is; position 0 is an event that is not sealed yet."""
        see = self._see.get(event.kind)
        if see is not None:
            see(event, position)

    def end(self, problems: Problems) -> None:
        """Compare what only shows at the end, and hand over what is wrong."""
        self._find_unclaimed()
        for problem in self._wrong.values():
            problems.add(problem)

    def _compare(self, row: str, claimed: object, found: str, event: Event, position: int) -> None:
        """Hold the digest of a row as it is against what an event claims."""
        if not claimed:
            self.older += 1
            return
        self.rows += 1
        if found == claimed:
            self._wrong.pop(row, None)
            return
        what = {GONE: "is missing", UNREADABLE: "cannot be read"}.get(found, "is not what it was")
        text = f"{row} {what}: event {position or event.id} says otherwise"
        self._wrong[row] = named(Found.ROW, position, event, text, row=row)

    def _version(self, event: Event, position: int) -> None:
        noun, _, key = event.subject.partition(":")
        name, _, number = str(event.facts.get("reference", "")).rpartition("@")
        owner = f"{noun}:{self._model_of(key) if noun == 'model' else name}"
        self._newest[owner] = max(self._newest.get(owner, 0), int(number) if number.isdecimal() else 0)
        versions = self._tx.models if noun == "model" else self._tx.datasets
        self._compare(event.subject, event.facts.get("row"), _digest(lambda: versions.version(key)), event, position)

    def _move(self, event: Event, position: int) -> None:
        facts, place = event.facts, event.facts.get("position")
        name, alias = str(facts.get("model")), str(facts.get("alias"))
        if not isinstance(place, int):
            return
        model = self._model_of(event.subject.partition(":")[2])
        owner = f"alias:{model}@{alias}"
        self._newest[owner] = max(self._newest.get(owner, 0), place)
        found = _digest(lambda: self._tx.models.move(model, alias, place))
        self._compare(f"move {place} of {name}@{alias}", facts.get("row"), found, event, position)

    def _model_of(self, version: str) -> str:
        """The id of a version's model, whose name may have changed since; empty when the version is gone."""
        try:
            return self._tx.models.version(version).model
        except (NotFound, *BROKEN):
            return ""

    def _endpoint(self, event: Event, position: int) -> None:
        key = event.subject.partition(":")[2]
        found = _digest(lambda: self._tx.endpoints.get(key))
        self._compare(event.subject, event.facts.get("row"), found, event, position)

    def _trial(self, event: Event, position: int) -> None:
        key = str(event.facts.get("trial", ""))
        found = _digest(lambda: self._tx.trials.get(key))
        self._compare(f"trial:{key}", event.facts.get("row"), found, event, position)

    def _batches(self, event: Event, position: int) -> None:
        log, first, rows = event.subject.partition(":")[2], event.facts.get("first"), event.facts.get("rows")
        if not isinstance(first, int) or not isinstance(rows, list):
            return
        self._newest[event.subject] = max(self._newest.get(event.subject, 0), first + len(rows) - 1)
        for place, claimed in enumerate(rows, start=first):
            found = _digest(lambda: self._batch(log, place))  # noqa: B023 - called at once
            self._compare(f"batch:{log}/{place}", claimed, found, event, position)

    def _batch(self, log: str, place: int) -> LogBatch:
        found = self._tx.logs.list(log, after=place - 1, until=place)
        if not found:
            raise NotFound("batch", f"{log}/{place}")
        return found[0]

    def _run(self, event: Event, position: int) -> None:
        key, facts = event.subject.partition(":")[2], event.facts
        self._compare(event.subject, facts.get("row"), _digest(lambda: self._tx.runs.get(key)), event, position)
        if "artifacts" in facts:
            found = _guarded(lambda: artifacts_digest(self._tx, key)) or NONE
            self._compare(f"artifacts of {event.subject}", facts["artifacts"] or NONE, found, event, position)
        if "series" in facts:
            self._series(event, position, whole=True)

    def _revised(self, event: Event, position: int) -> None:
        """A change of a run that had ended claims what it left; one of a run that goes on claims nothing."""
        if "row" in event.facts:
            self._run(event, position)

    def _purged(self, event: Event, position: int) -> None:
        """Of what earlier events claimed only the row is left."""
        self._resumed(event, position)
        self._run(event, position)

    def _resumed(self, event: Event, position: int) -> None:  # noqa: ARG002
        """A run that goes on changes without claims until it ends again."""
        for row in [row for row in self._wrong if row == event.subject or row.endswith(f" of {event.subject}")]:
            del self._wrong[row]

    def _series(self, event: Event, position: int, *, whole: bool = False) -> None:
        """The series of a run; `whole` claims that there are no others."""
        claimed, run = event.facts.get("series"), event.subject.partition(":")[2]
        if not isinstance(claimed, dict):
            return
        found: dict[str, str] = {}
        for series in self._listed(f"series of {run}", lambda: self._tx.series.summaries([run])):
            found[series.key] = _guarded(lambda: series_digest(self._tx, series))  # noqa: B023 - called at once
        for key in {**claimed, **(found if whole else {})}:
            row = f"series {key} of {event.subject}"
            self._compare(row, claimed.get(key, NONE), found.get(key, GONE), event, position)

    def _find_unclaimed(self) -> None:
        """Rows that only events make, and that no event tells of."""
        tx = self._tx
        for dataset in self._listed("datasets", lambda: tx.datasets.list(self._project)):
            newest = self._number(lambda: tx.datasets.newest(dataset.id))  # noqa: B023 - called at once
            self._beyond(f"data:{dataset.name}", newest, f"version {{}} of {dataset.name}")
            self._beyond(f"dataset:{dataset.id}", tx.logs.position(dataset.id), f"batch {{}} of {dataset.name}")
            for batch in self._listed("batches", lambda: tx.logs.list(dataset.id, after=_LOWEST, until=0)):  # noqa: B023
                self._unclaimed(f"batch {batch.position} of {dataset.name}")
        for model in self._listed("models", lambda: tx.models.list(self._project)):
            newest = self._number(lambda: tx.models.newest(model.id))  # noqa: B023 - called at once
            self._beyond(f"model:{model.id}", newest, f"version {{}} of {model.name}")
            for move in self._listed("moves", lambda: tx.models.aliases(model.id)):  # noqa: B023 - called at once
                row = f"move {{}} of {model.name}@{move.alias}"
                self._beyond(f"alias:{model.id}@{move.alias}", move.position, row)

    def _listed(self, what: str, read: Callable[[], list[T]]) -> list[T]:
        """A list; when one of its rows cannot be read, that is a problem of its own."""
        try:
            return read()
        except BROKEN as error:
            self._wrong[what] = Problem(found=Found.ROW, text=f"{what} cannot be listed: {error}", row=what)
            return []

    def _number(self, read: Callable[[], DatasetVersion | ModelVersion | None]) -> int:
        """The number of the newest version; 0 where its row cannot be read, which its claim says already."""
        try:
            newest = read()
        except BROKEN:
            return 0
        return newest.number if newest else 0

    def _beyond(self, owner: str, newest: int, row: str) -> None:
        """The rows behind the last one that is told of; whoever adds one may number it as high as they like."""
        for number in range(self._newest.get(owner, 0) + 1, newest + 1)[:_MOST_NAMED]:
            self._unclaimed(row.format(number))

    def _unclaimed(self, row: str) -> None:
        self._wrong[row] = Problem(found=Found.UNCLAIMED, text=f"no event tells of {row}", row=row)


def _digest(read: Callable[[], msgspec.Struct]) -> str:
    """The digest of a row as it is now."""
    return _guarded(lambda: row_digest(read()))


def _guarded(read: Callable[[], str]) -> str:
    try:
        return read()
    except NotFound:
        return GONE
    except BROKEN:
        return UNREADABLE
