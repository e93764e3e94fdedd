"""What waits for a worker, as people see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clew.cli.main import main
from clew.worker.worker import queue
from clew.workspace import Workspace


def test_a_job_that_is_due_at_once_is_due_since_it_was_queued(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Workspace(project) as workspace:
        assert queue(workspace.stores, "watch", "now", {}) is not None
        assert queue(workspace.stores, "watch", "later", {}, due_us=1 << 60) is not None
    assert main(["jobs", "list", "--json"]) == 0
    later, now = json.loads(capsys.readouterr().out)["items"]
    assert (now["key"], now["due_us"]) == ("now", now["created_us"])
    assert (later["key"], later["due_us"]) == ("later", 1 << 60)
