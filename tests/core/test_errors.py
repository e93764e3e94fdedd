"""An error says what failed, with which value, and what to do next, and keeps the facts."""

from __future__ import annotations

import pytest

from clew.core import errors
from clew.core.errors import ClewError, Exists, GateRefused, Invalid, MissingExtra, NotFound


def test_the_text_is_what_failed_and_what_next() -> None:
    assert str(Invalid("x = 3 is odd")) == "x = 3 is odd"
    assert str(Invalid("x = 3 is odd", hint="take 4")) == "x = 3 is odd\n  → take 4"


def test_what_is_not_there_is_guessed() -> None:
    error = NotFound("run", "bsae", hint="clew runs list", near=["base", "case"])
    assert str(error) == "no run named 'bsae'\n  → did you mean base, case?; clew runs list"
    assert (error.kind, error.name, error.near) == ("run", "bsae", ["base", "case"])
    assert (NotFound("run", "x").hint, NotFound("run", "x").near) == ("", [])


def test_other_errors_keep_their_facts() -> None:
    taken = Exists("model", "delay", hint="take another name")
    assert (taken.what, taken.kind, taken.name) == ("model 'delay' exists already", "model", "delay")
    verdict = object()
    assert GateRefused("no", verdict=verdict).verdict is verdict
    lacking = MissingExtra("polars", "data")
    assert (lacking.library, lacking.extra, lacking.hint) == ("polars", "data", "pip install 'clew[data]'")


@pytest.mark.parametrize("name", [name for name in errors.__all__ if name != "ClewError"])
def test_all_of_them_are_one_tree_and_have_a_word(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, ClewError)
    words = kind.code.fget(kind.__new__(kind)).split("_")
    assert "".join(word.capitalize() for word in words) == name
