"""Runs that are lost are looked for in every project, whatever becomes of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from clew.core.contracts.stores import Stores
from clew.core.errors import ClewError, Corrupt
from clew.server.lost import look_for_lost
from clew.tracking.lost import Lost


@pytest.mark.parametrize("error", [Corrupt("a row cannot be read"), RuntimeError("a defect")])
def test_a_project_that_cannot_be_read_hides_nothing_of_others(
    serve: Callable[..., Any], error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def look(_: Lost, stores: Stores) -> list[str]:
        if stores.project == "p":
            raise error
        return ["a run"]

    monkeypatch.setattr(Lost, "look", look)
    assert look_for_lost(serve().host, {}) == ["a run"]
    (told,) = (each for each in caplog.records if "that are lost were not looked for" in each.getMessage())
    assert "runs of late" in told.getMessage()
    assert (told.exc_info is None) == isinstance(error, ClewError)
