from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.core.errors import Invalid
from clew.stats.root import find_root


@given(st.floats(-100, 100), st.integers(0, 3))
def test_zero_of_odd_powers_and_exponentials_is_found(zero: float, power: int) -> None:
    found = find_root(lambda x: (x - zero) ** (2 * power + 1), zero - 70.1, zero + 200.3)
    assert found == pytest.approx(zero, abs=1e-9)
    found = find_root(lambda x: math.exp(x - zero) - 1.0, zero - 50.0, zero + 300.0)
    assert found == pytest.approx(zero, abs=1e-9)


def test_ends_and_infinities() -> None:
    assert find_root(lambda x: x, 0.0, 5.0) == 0.0
    assert find_root(lambda x: x - 5.0, 0.0, 5.0) == 5.0
    assert find_root(lambda x: -math.inf if x < 1 / 3 else math.inf, 0.0, 1.0) == pytest.approx(1 / 3, rel=1e-12)


def test_a_bracket_without_a_zero_is_refused() -> None:
    with pytest.raises(Invalid, match="no change of sign"):
        find_root(lambda x: x * x + 1.0, -1.0, 1.0)
    with pytest.raises(Invalid):
        find_root(lambda x: math.nan, -1.0, 1.0)


def test_a_smooth_function_is_asked_few_times() -> None:
    asked: list[float] = []

    def cubic(x: float) -> float:
        asked.append(x)
        return x**3 - 2.0

    assert find_root(cubic, 0.0, 10.0) == pytest.approx(2.0 ** (1 / 3), rel=1e-12)
    assert len(asked) < 30, "bisection alone takes more than 45"
