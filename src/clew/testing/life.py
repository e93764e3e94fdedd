"""A small project that lives: a model in three versions, an endpoint, and decisions and labels day by day.

For tests and measurements of what happens once a model is served. The versions themselves score the decisions, which go
into a replica's journal as an endpoint writes them; only HTTP is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clew.core.contracts.stores import Stores
from clew.core.extras import require
from clew.core.types.endpoint import Alert, Endpoint, Trial, Window
from clew.core.types.event import Event
from clew.core.types.interval import Interval
from clew.core.types.job import Job
from clew.core.types.model import ModelVersion
from clew.data.add_table import TableRules, add_table
from clew.loop.fitted import Model
from clew.loop.monitor import DAY_US, Deciders, Monitor
from clew.loop.promotion import promote_version
from clew.loop.trigger import Reason
from clew.loop.watch import Watched, watch_endpoint
from clew.monitoring.logged import LogReader
from clew.registry.package import load_package
from clew.serving.compaction import journal_folder
from clew.serving.endpoint import declare, find_endpoint
from clew.serving.journal import ReplicaJournal
from clew.serving.records import DecisionRecord, LabelRecord, ShadowRecord, encode, row_id
from clew.serving.runtime import Runtime, load_runtime
from clew.settings import SETTINGS_FILE
from clew.tracking.start import start
from clew.workspace import Workspace, init_project

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ENDPOINT", "INPUTS", "MODEL", "SETTINGS", "START_US", "TRAIN", "Life", "flights", "grow"]

MODEL, ENDPOINT = "delay", "late"
INPUTS = ["hour", "wind"]
START_US = 1_360_540_800_000_000
"""2013-02-11, a Monday."""

SETTINGS = """
[project]
name = "flights"

[value.delay]
kind = "binary"
missed_cost = 50
false_alarm_cost = 10
unit = "day"
time = "time_us"

[retrain.delay]
pipeline = "train.py:train"
"""

TRAIN = """
import polars as pl
from sklearn.linear_model import LogisticRegression
import clew

@clew.step
def fit(rows: pl.DataFrame) -> LogisticRegression:
    return LogisticRegression().fit(rows.select("hour", "wind"), rows["late"].to_numpy())

@clew.pipeline
def train(flights: clew.Dataset):
    rows = flights.frame()
    return clew.Model("delay", fit(rows), train=rows, test=rows, label="late", features=["hour", "wind"])
"""
"""A pipeline that trains the model on the table `flights`."""


def flights(rows: int, *, seed: int, days: int = 30, shift: float = 0.0) -> pl.DataFrame:
    """Flights of the days before `START_US`: the hour, the wind, the time, and whether they were late.

    Args:
        rows: how many.
        seed: of the random numbers.
        days: over how many days they are spread.
        shift: how much stronger the wind is than usual.
    """
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(seed)
    hour, wind = rng.integers(0, 24, rows), rng.normal(shift, 1.0, rows)
    late = rng.random(rows) < 1 / (1 + np.exp(-(2.5 * wind + 0.15 * (hour - 14))))
    day = np.arange(rows) % days
    time_us = START_US - (days - day) * DAY_US + hour * 3_600_000_000 + np.arange(rows)
    return pl.DataFrame({"hour": hour, "wind": wind, "time_us": time_us, "late": late})


def grow(folder: Path) -> None:
    """Make the project: version 1 of the model is champion and hardly knows the wind, 2 does, 3 takes it wrongly."""
    import numpy as np
    import polars as pl

    logistic = require("sklearn.linear_model").LogisticRegression
    init_project(folder)
    (folder / SETTINGS_FILE).write_text(SETTINGS, encoding="utf-8")
    train, test = flights(600, seed=1), flights(300, seed=2)
    with Workspace(folder) as workspace:
        for strength in (0.2, 1.0, -1.0):
            noise = np.random.default_rng(0).normal(size=train.height)
            blurred = train.with_columns(wind=strength * pl.col("wind") + (1 - abs(strength)) * pl.lit(noise))
            model = logistic().fit(blurred.select(INPUTS), blurred["late"].to_numpy())
            fitted = Model(MODEL, model, train=train, test=test, label="late", features=INPUTS)
            with start(workspace.recorder, capture=False, say=lambda _: None) as run:
                run.output(workspace.register(fitted, run.id))
        workspace.promote(f"{MODEL}@1", "champion")
        declare(workspace.stores, ENDPOINT, model=MODEL, alias="champion")


class Life:
    """A project that `grow` has made, opened. Time is event time in days since `START_US`.

    Args:
        root: its folder.
    """

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(root)
        self.stores: Stores = self.workspace.stores
        self.endpoint: Endpoint = find_endpoint(self.stores, ENDPOINT)
        self.truths: dict[str, bool] = {}
        self.asked: list[Reason] = []
        self._versions: dict[int, ModelVersion] = {}
        self._runtimes: dict[str, Runtime] = {}
        self._journal: ReplicaJournal | None = None
        self.forget()

    def close(self) -> None:
        """End the replica and close the project."""
        self.end_replica()
        self.workspace.close()

    def forget(self) -> None:
        """Look from now on as a process that has only just started."""
        self.deciders, self.logs = Deciders(self.stores), LogReader(self.stores)

    @property
    def windows(self) -> list[Window]:
        """Its windows, oldest first."""
        with self.stores.ledger.read() as tx:
            return tx.windows.list(self.endpoint.id)

    @property
    def alerts(self) -> list[Alert]:
        """Its alerts, newest first."""
        with self.stores.ledger.read() as tx:
            return tx.alerts.list(self.endpoint.id)

    @property
    def trials(self) -> list[Trial]:
        """Its trials, oldest first."""
        with self.stores.ledger.read() as tx:
            return tx.trials.list(self.endpoint.id)

    def jobs(self, kind: str) -> list[Job]:
        """Its jobs of a kind, newest first."""
        with self.stores.ledger.read() as tx:
            return [job for job in tx.jobs.list(self.stores.project) if job.kind == kind]

    def events(self, kind: str) -> list[Event]:
        """Its newest events of a kind, newest first."""
        with self.stores.ledger.read() as tx:
            return tx.events.list(self.stores.project, kind=kind, limit=1000).items

    def teach(self, code: str, *, settings: str) -> None:
        """Write a pipeline and the project's settings, and add a table `flights` to learn from."""
        import polars as pl

        (self.workspace.root / "train.py").write_text(code, encoding="utf-8")
        (self.workspace.root / SETTINGS_FILE).write_text(settings, encoding="utf-8")
        table = flights(400, seed=9)
        keyed = table.with_columns(flight=pl.format("old {}", pl.int_range(pl.len())))
        add_table(self.workspace.site, "flights", keyed, rules=TableRules(key=["flight"]))

    @property
    def journal(self) -> ReplicaJournal:
        """The journal of its replica, which writes from the first use on."""
        if self._journal is None:
            folder = journal_folder(self.stores, self.endpoint.id) / "replica-1"
            self._journal = ReplicaJournal(folder, self.stores.ids, sync_s=3600.0)
        return self._journal

    def end_replica(self) -> None:
        """End the process that serves; its journal stays."""
        if self._journal is not None:
            self._journal.close()
        self._journal = None

    def version(self, number: int) -> ModelVersion:
        """A version of the model."""
        if number not in self._versions:
            self._versions[number] = self.workspace.models.resolve(f"{MODEL}@{number}")
        return self._versions[number]

    def decide(
        self,
        day: float,
        rows: int = 48,
        *,
        by: int = 1,
        shadows: Sequence[int] = (),
        shift: float = 0.0,
        hours: int = 24,
        keys: bool = True,
    ) -> list[str]:
        """Decide flights of a day as an endpoint does, in one request an hour.

        Args:
            day: when it begins, in days since `START_US`.
            rows: how many flights.
            by: the number of the version that answers.
            shadows: the numbers of the versions in shadow.
            shift: how much stronger the wind is than in training.
            hours: over how many they are spread.
            keys: whether the caller names the flights.

        Returns:
            The names of the flights: the caller's keys, or the ids of the predictions.
        """
        table = flights(rows, seed=abs(int(day * 24) + 1000), shift=shift)
        found: list[str] = []
        for hour in range(hours):
            part = table[hour * rows // hours : (hour + 1) * rows // hours]
            if part.height:
                at_us = START_US + int(day * DAY_US) + hour * 3_600_000_000
                found += self._request(part, at_us, by=by, shadows=shadows, keys=keys)
        return found

    def label(self, names: Sequence[str], *, day: float, wrong: bool = False, by_id: bool = False) -> None:
        """Say what came of flights, known since a day.

        Args:
            names: as `decide` gave them.
            day: since when it is known, in days since `START_US`.
            wrong: say the opposite.
            by_id: the names are ids of predictions.
        """
        at_us, none = START_US + int(day * DAY_US), [""] * len(names)
        truths = [self.truths[name] != wrong for name in names]
        received_us = self.stores.clock.now_us()
        ids, keys = (list(names), none) if by_id else (none, list(names))
        self.journal.append(encode(LabelRecord(received_us, at_us, ids, keys, truths)))

    def watch(self, day: float, *, trial: bool = True) -> Watched:
        """Look at the endpoint at a moment, in days since `START_US`.

        Args:
            day: the moment.
            trial: whether the project trains again, so that trials go on.
        """
        settings = self.workspace.settings

        def promote(version: str, *, reason: str, trial: Interval | None = None) -> None:
            with self.stores.ledger.read() as tx:
                reference = tx.models.version(version).reference
            promote_version(self.workspace.services, settings, reference, "champion", reason=reason, trial=trial)

        def ask(reason: Reason) -> bool:
            self.asked.append(reason)
            return True

        retrain = settings.retrain.get(MODEL) if trial else None
        now_us = START_US + int(day * DAY_US)
        return watch_endpoint(self.monitor, now_us=now_us, retrain=retrain, promote=promote, ask=ask)

    @property
    def monitor(self) -> Monitor:
        """The endpoint's monitor."""
        return Monitor.of(self.stores, self.workspace.settings, self.endpoint, deciders=self.deciders, logs=self.logs)

    def _request(self, table: pl.DataFrame, at_us: int, *, by: int, shadows: Sequence[int], keys: bool) -> list[str]:
        first, received_us = self.stores.ids(), self.stores.clock.now_us()
        ids = [row_id(first, row) for row in range(table.height)]
        names = [f"flight {at_us} {row}" for row in range(table.height)] if keys else []
        columns: dict[str, list[Any]] = {name: table[name].to_list() for name in INPUTS}
        version, (scores, decisions) = self.version(by), self._scored(by, columns)
        record = DecisionRecord(
            first_id=first,
            request="",
            time_us=at_us,
            received_us=received_us,
            latency_us=100,
            version=version.id,
            runtime=self._runtimes[version.id].id,
            rows=table.height,
            keys=names,
            columns=columns,
            scores=scores,
            decisions=decisions,
        )
        self.journal.append(encode(record))
        for number in shadows:
            scores, decisions = self._scored(number, columns)
            shadow = self.version(number).id
            runtime = self._runtimes[shadow].id
            self.journal.append(encode(ShadowRecord(first, at_us, received_us, shadow, runtime, scores, decisions)))
        found = names or ids
        self.truths.update(zip(found, table["late"].to_list(), strict=True))
        return found

    def _scored(self, number: int, columns: dict[str, list[Any]]) -> tuple[list[float], list[Any]]:
        version = self.version(number)
        if version.id not in self._runtimes:
            package = load_package(self.stores.objects, version.package)
            self._runtimes[version.id] = load_runtime(package, self.stores.objects, trust=self.workspace.trust)
        return self._runtimes[version.id].decide(columns)
