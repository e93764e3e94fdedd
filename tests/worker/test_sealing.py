"""The worker seals events by itself, and adds checkpoints when they are due."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from clew.audit.destination import FileDestination
from clew.core.errors import Unavailable
from clew.settings import SETTINGS_FILE
from clew.testing.clock import ManualClock
from clew.testing.project import open_stores
from clew.worker.sealing import sealing
from clew.worker.witness import Witness
from clew.workspace import Workspace, init_project

HOUR_US = 3_600_000_000


def test_events_are_sealed_while_the_worker_is_at_something_else(tmp_path: Path) -> None:
    stores = open_stores(tmp_path / "p")
    with sealing(stores):
        with stores.ledger.write() as tx:
            stores.tell(tx, "run.created", "run:1", {})
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with stores.ledger.read() as tx:
                if tx.events.tail("p").position:
                    break
            time.sleep(0.02)
        with stores.ledger.read() as tx:
            assert tx.events.tail("p").position == 1
        with stores.ledger.write() as tx:
            stores.tell(tx, "run.created", "run:2", {})
    with stores.ledger.read() as tx:
        assert tx.events.tail("p").position == 2
    stores.ledger.close()


def test_what_cannot_be_sealed_is_said_and_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stores = open_stores(tmp_path / "p")

    def refuse() -> None:
        raise Unavailable("the disk is full")

    with caplog.at_level(logging.WARNING), sealing(stores, after=refuse):
        until = time.monotonic() + 60
        while not caplog.records and time.monotonic() < until:
            time.sleep(0.02)
    assert set(caplog.messages) == {"events wait to be sealed: the disk is full"}
    stores.ledger.close()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLEW_SIGNING_KEY", str(tmp_path / "key.pem"))
    return init_project(tmp_path / "project", name="flights")


def test_checkpoints_are_added_when_they_are_due(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    (project / SETTINGS_FILE).write_text(
        '[audit]\ncheckpoint_to = ["../outside.jsonl", "git:../none"]\nevery_hours = 2\n', encoding="utf-8"
    )
    clock, place = ManualClock(), FileDestination(project.parent / "outside.jsonl")
    with Workspace(project, clock=clock) as workspace:
        witness, sizes = Witness(workspace), []
        for _ in range(5):
            with workspace.stores.ledger.write() as tx:
                workspace.stores.tell(tx, "run.created", "run:1", {})
            with caplog.at_level(logging.WARNING):
                witness.look()
            Witness(workspace).look()  # another worker adds none
            sizes.append(len(place.lines()))
            clock.advance(HOUR_US)
    assert sizes == [1, 1, 2, 2, 3]
    assert {"no git repository" in message for message in caplog.messages} == {True}


def test_checkpoints_go_on_behind_a_clock_that_went_back(project: Path) -> None:
    text = '[audit]\ncheckpoint_to = ["../outside.jsonl"]\nevery_hours = 2\n'
    (project / SETTINGS_FILE).write_text(text, encoding="utf-8")
    clock, place = ManualClock(), FileDestination(project.parent / "outside.jsonl")
    with Workspace(project, clock=clock) as workspace:
        witness, sizes = Witness(workspace), []
        for hours in (9_000, -9_000, 0, 1, 1):
            clock.advance(hours * HOUR_US)
            with workspace.stores.ledger.write() as tx:
                workspace.stores.tell(tx, "run.created", "run:1", {})
            witness.look()
            Witness(workspace).look()  # another worker adds none
            sizes.append(len(place.lines()))
    assert sizes == [1, 2, 2, 2, 3]


def test_nothing_is_asked_of_who_declares_nothing(project: Path, tmp_path: Path) -> None:
    with Workspace(project) as workspace:
        Witness(workspace).look()
    assert not (tmp_path / "key.pem").exists()
