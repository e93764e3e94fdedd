"""Rows to store: what suites and tests of ledgers put in."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from clew.core.ids import Digest
from clew.core.types.dataset import Dataset, DatasetKind, DatasetVersion, LogBatch
from clew.core.types.endpoint import Alert, Endpoint, Severity, Window
from clew.core.types.event import Event
from clew.core.types.job import Job, JobState
from clew.core.types.model import Alias, ModelVersion
from clew.core.types.run import Run, RunKind, RunStatus
from clew.core.types.series import SeriesBlock
from clew.core.types.step import StepEntry, StepOutcome, StepOutput, StepRun

__all__ = [
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

change = msgspec.structs.replace
NO_DIGEST = Digest("0" * 64)


def a_dataset(name: str = "flights", project: str = "p") -> Dataset:
    return Dataset(id=f"id-{name}", project=project, name=name, kind=DatasetKind.TABLE, created_us=1)


def a_version(number: int, *, dataset: str = "id-flights", created_us: int = 0) -> DatasetVersion:
    return DatasetVersion(
        id=f"{dataset}-{number}",
        dataset=dataset,
        name="flights",
        kind=DatasetKind.TABLE,
        number=number,
        digest=NO_DIGEST,
        manifest=NO_DIGEST,
        rows=3,
        size_bytes=10,
        created_us=created_us or number,
        created_by="ann",
        schema={"a": "int64"},
    )


def a_batch(source: str, *, low: int = 0, high: int = 9, ids: tuple[str, str] = ("a", "b")) -> LogBatch:
    return LogBatch(
        dataset="log",
        position=0,
        object=NO_DIGEST,
        rows=2,
        size_bytes=5,
        time_low_us=low,
        time_high_us=high,
        id_low=ids[0],
        id_high=ids[1],
        created_us=1,
        source=source,
    )


def a_run(id: str, **changes: Any) -> Run:
    run = Run(
        id=id,
        project="p",
        experiment="e",
        name=f"run {id}",
        kind=RunKind.SCRIPT,
        status=RunStatus.RUNNING,
        created_us=1,
        created_by="ann",
        params={"depth": 3, "rate": 0.1, "flag": True, "none": None, "text": "ü"},
    )
    return msgspec.structs.replace(run, **changes)


def a_block(source: str, value: float, *, step: float = 0.0, time_us: int = 1, key: str = "loss") -> SeriesBlock:
    nan = math.isnan(value)
    return SeriesBlock(
        run="r",
        key=key,
        source=source,
        count=1,
        nans=int(nan),
        low=value,
        high=value,
        total=value,
        first=value,
        last=value,
        last_step=step,
        last_time_us=time_us,
        step_low=step,
        step_high=step,
        time_low_us=time_us,
        time_high_us=time_us,
        points=source.encode(),
    )


def a_model_version(number: int) -> ModelVersion:
    return ModelVersion(
        id=f"v{number}",
        model="m",
        name="delay",
        number=number,
        package=NO_DIGEST,
        run="r",
        created_us=number,
        created_by="ann",
    )


def a_move(position: int, number: int, alias: str = "champion") -> Alias:
    return Alias(
        model="m",
        alias=alias,
        position=position,
        number=number,
        version=f"v{number}",
        moved_us=position,
        moved_by="ann",
    )


def a_job(id: str, *, key: str = "k", due_us: int = 0) -> Job:
    return Job(
        id=id, project="p", kind="watch", key=key, args={"n": 1}, state=JobState.QUEUED, due_us=due_us, created_us=0
    )


def a_window(start_us: int, version: str = "v1", rows: int = 1) -> Window:
    return Window(
        endpoint="e",
        version=version,
        start_us=start_us,
        end_us=start_us + 10,
        rows=rows,
        labels=0,
        profile=NO_DIGEST,
        report={"auc": 0.5},
        revision=1,
        judged_us=1,
    )


def an_event(id: str, *, kind: str = "alias.moved", subject: str = "model:m") -> Event:
    return Event(id=id, project="p", at_us=1, actor="ann", kind=kind, subject=subject, facts={"n": 1})


def an_alert(id: str, *, key: str, at_us: int) -> Alert:
    return Alert(
        id=id,
        endpoint="e",
        key=key,
        kind="drift",
        severity=Severity.WARN,
        at_us=at_us,
        raised_us=at_us,
        text="hm",
        facts={},
    )


def an_endpoint(id: str = "e", *, project: str = "p", name: str = "delay", alias: str = "champion") -> Endpoint:
    return Endpoint(
        id=id,
        project=project,
        name=name,
        model="m",
        alias=alias,
        predictions="lp",
        shadows="ls",
        labels="ll",
        created_us=1,
    )


def an_entry(key: str, *, step: str = "fit", created_us: int = 1) -> StepEntry:
    output = StepOutput(codec="json", digest=NO_DIGEST, size_bytes=2, inline=b"\x00\xff")
    return StepEntry(
        key=Digest(key),
        project="p",
        step=step,
        output=output,
        ingredients={"code": "c"},
        run="r",
        created_us=created_us,
        duration_us=1,
    )


def a_step(position: int, outcome: StepOutcome = StepOutcome.EXECUTED) -> StepRun:
    return StepRun(
        run="r",
        position=position,
        step="fit",
        key=NO_DIGEST,
        outcome=outcome,
        output=NO_DIGEST,
        started_us=1,
        duration_us=1,
        inputs=[0],
    )
