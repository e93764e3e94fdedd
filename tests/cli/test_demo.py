"""What `clew demo` shows at its end: a table that fits, and a request that can be sent as it stands."""

from __future__ import annotations

import json
import shlex
import sys
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clew.cli import demo, output


def test_a_narrow_terminal_is_told_what_it_cost_and_what_was_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")  # 80 columns
    shares = {"late_share": 0.21, "auc_loop": 0.7512, "auc_static": 0.7123}
    costs = {"flights": 28000.0, "cost_loop": 123456.0, "cost_static": 134567.0, "saved": 11111.0, "alerts": 12}
    said = {
        "name": "September",
        "drifted": "wind_speed, score (output) +3",
        "did": "1 retrained, 1 promoted, 1 rejected",
    }
    output.table([{**shares, **costs, **said}], demo._columns(), as_json=False)
    head, row, below, left_out = capsys.readouterr().out.splitlines()
    assert max(map(len, (head, row, below, left_out))) <= 80
    assert below.strip() == said["did"]
    assert ("+11,111" in row, "AUC" in head, left_out) == (
        True,
        True,
        "no room for drifted on most days: --json has all",
    )


def test_the_request_that_is_shown_can_be_pasted() -> None:
    inputs = {"carrier": "O'B", "hour": 17, "wind_gust": None, "precip": 0.2}
    example = cast("Any", SimpleNamespace(prediction=SimpleNamespace(inputs=inputs)))
    *_, option, body = shlex.split(demo._request(example))
    assert (option, json.loads(body)) == ("-d", {"rows": [inputs]})
