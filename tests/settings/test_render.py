"""Values as TOML: whatever is written is read back."""

from __future__ import annotations

import math
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.core.errors import Invalid
from clew.settings.render import render_assignment, render_header, render_value

LEAVES = st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(max_size=60))
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=12), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
)


@given(name=st.text(max_size=8), value=VALUES)
def test_what_is_written_is_read_back(name: str, value: object) -> None:
    found = tomllib.loads(render_assignment(name, value))
    assert found == {name: value}


@given(names=st.lists(st.text(max_size=5), min_size=1, max_size=3))
def test_headers_too(names: list[str]) -> None:
    found: object = tomllib.loads(render_header(*names))
    for name in names:
        assert isinstance(found, dict)
        found = found[name]
    assert found == {}


def test_not_a_number_is_a_number_of_toml() -> None:
    assert math.isnan(tomllib.loads(render_assignment("x", math.nan))["x"])


def test_what_toml_has_no_word_for_is_refused() -> None:
    with pytest.raises(Invalid, match="cannot be written"):
        render_value(None)


def test_long_lists_are_wrapped() -> None:
    assert max(len(line) for line in render_assignment("values", ["airport"] * 40).splitlines()) <= 110
