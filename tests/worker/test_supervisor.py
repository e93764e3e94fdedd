"""What `clew up` starts again, and what it does not; with real processes that serve: test_up.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.core.errors import Unavailable
from clew.settings import SETTINGS_FILE
from clew.worker import supervisor
from clew.worker.supervisor import supervise
from clew.workspace import init_project


def test_what_is_refused_is_not_started_again_however_long_that_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine a command takes longer to start than one that serves is given to live."""
    monkeypatch.setattr(supervisor, "_SHORTEST_LIFE_S", 0.0)
    (init_project(tmp_path) / SETTINGS_FILE).write_text("[gate")
    with pytest.raises(Unavailable, match="the worker cannot be started"):
        supervise(tmp_path, [], tell=pytest.fail, missing=lambda _: "")
