"""How a version is named, of data or of a model."""

from __future__ import annotations

import pytest

from clew.core.errors import Invalid
from clew.core.types.reference import Reference, checked_name


def test_a_name_alone_means_the_latest() -> None:
    assert str(Reference("flights")) == "flights@latest"
    assert str(Reference("delay", "champion")) == "delay@champion"


@pytest.mark.parametrize("name", ["a", "flights", "Flights_2.raw-x", "0", "_x", "x" * 128])
def test_names_that_are_allowed(name: str) -> None:
    assert checked_name("dataset", name) == name


@pytest.mark.parametrize("name", ["", ".hidden", "-x", "a/b", "a@b", "a b", "ä", "x" * 129, "a\n", ".."])
def test_names_that_are_not(name: str) -> None:
    with pytest.raises(Invalid, match="name of a dataset"):
        checked_name("dataset", name)
