"""Parameters as values: what texts stand for, and that they can be had back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clew.tracking.params import scalar_of_text, text_of


@given(st.one_of(st.text(max_size=20), st.integers().map(str), st.floats().map(str), st.booleans().map(str)))
def test_a_parameter_gives_its_text_back(text: str) -> None:
    assert text_of(scalar_of_text(text)) == text


def test_parameters_are_the_values_that_python_writes() -> None:
    texts = ("6", "0.1", "True", "None", "1e3", "007", "nan", "-0")
    assert [scalar_of_text(text) for text in texts] == [6, 0.1, True, None, "1e3", "007", "nan", "-0"]
