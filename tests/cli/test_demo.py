"""What `clew demo` shows at its end: a table that fits, and a request that can be sent as it stands."""

from __future__ import annotations

import json
import shlex
from types import SimpleNamespace
from typing import Any, cast

from clew.cli import demo


def test_a_narrow_terminal_is_told_what_it_cost_and_what_was_done() -> None:
    wide, narrow = ([column.field for column in demo._columns(narrow=narrow)] for narrow in (False, True))
    assert narrow == ["name", "flights", "late_share", "cost_loop", "cost_static", "saved", "did"]
    assert set(wide) - set(narrow) == demo._ONLY_WIDE


def test_the_request_that_is_shown_can_be_pasted() -> None:
    inputs = {"carrier": "O'B", "hour": 17, "wind_gust": None, "precip": 0.2}
    example = cast("Any", SimpleNamespace(prediction=SimpleNamespace(inputs=inputs)))
    *_, option, body = shlex.split(demo._request(example))
    assert (option, json.loads(body)) == ("-d", {"rows": [inputs]})
