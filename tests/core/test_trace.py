"""Tracebacks of the user's code."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.core import trace
from clew.core.numbers import number
from clew.core.trace import trace_of_user


class Broken:
    def __float__(self) -> float:
        raise OSError("mine")


def test_frames_of_clew_are_left_out() -> None:
    with pytest.raises(OSError, match="mine") as caught:
        number(Broken())  # type: ignore[arg-type]  # its error passes through a function of clew
    shown = trace_of_user(caught.value)
    assert "__float__" in shown
    assert "numbers.py" not in shown
    assert shown.endswith("OSError: mine\n")


def test_what_stands_beside_clew_is_the_users() -> None:
    ours = str(Path(trace.__file__).parents[1])
    for place, shown in ((f"{ours}_steps/fit.py", True), (f"{ours}-demo/fit.py", True), (f"{ours}/fit.py", False)):
        with pytest.raises(ZeroDivisionError) as caught:
            exec(compile("1 / 0", place, "exec"))
        assert (place in trace_of_user(caught.value)) is shown
