"""Errors keep their class and their words on the way through HTTP."""

from __future__ import annotations

import msgspec
import pytest

from clew.core.errors import ClewError, Conflict, Exists, GateRefused, Invalid, NotFound
from clew.core.problem import Problem, error_of, problem_of


@pytest.mark.parametrize(
    "error",
    [
        Invalid("x = 3 is odd", hint="take 4"),
        Conflict("another was faster"),
        NotFound("run", "base", near=["case"]),
        Exists("model", "delay", hint="take another name"),
        GateRefused("no", verdict=object()),
    ],
)
def test_an_error_comes_back_as_it_was_sent(error: ClewError) -> None:
    sent = msgspec.json.decode(msgspec.json.encode(problem_of(error)), type=Problem)
    back = error_of(sent)
    assert type(back) is type(error)
    assert (back.what, back.hint, str(back)) == (error.what, error.hint, str(error))
    for fact in ("kind", "name"):
        assert getattr(back, fact, "") == getattr(error, fact, "") == getattr(sent, fact)


def test_a_thing_that_is_not_there_has_no_neighbours_that_were_not_sent() -> None:
    back = error_of(problem_of(NotFound("run", "base", near=["case"])))
    assert isinstance(back, NotFound)
    assert back.near == []
    assert "did you mean case?" in str(back)


def test_a_word_of_a_newer_server_is_an_error_all_the_same() -> None:
    back = error_of(Problem(code="teapot", message="short and stout"))
    assert type(back) is ClewError
    assert str(back) == "short and stout"
