"""Numbers as people read and paste them."""

from __future__ import annotations

import pytest

from clew.core.numbers import counted, number, some, span
from clew.core.types.interval import Interval


@pytest.mark.parametrize(
    ("value", "plain", "signed"),
    [
        (0.0, "0", "0"),
        (-0.0, "0", "0"),
        (1e-7, "1e-07", "+1e-07"),
        (-0.000392156, "-0.00039216", "-0.00039216"),
        (2.5, "2.5", "+2.5"),
        (float("nan"), "NaN", "NaN"),
        (float("-inf"), "-inf", "-inf"),
    ],
)
def test_a_number_has_an_ascii_minus_and_zero_no_sign(value: float, plain: str, signed: str) -> None:
    assert (number(value), number(value, sign=True)) == (plain, signed)


def test_an_interval_stands_behind_its_estimate_unless_one_unit_is_all() -> None:
    def of(units: int) -> Interval:
        return Interval(value=0.0, low=-0.25, high=0.123456, level=0.95, units=units, method="t")

    assert span(of(7), sign=True) == "0 [-0.25, +0.1235]"
    assert span(of(1)) == "0"


def test_one_thing_is_one() -> None:
    assert [counted(1, nouns) for nouns in ("rows", "batches", "classes", "dataset versions", "bytes")] == [
        *("1 row", "1 batch", "1 class", "1 dataset version", "1 byte")
    ]
    assert (counted(0, "rows"), counted(12345, "rows")) == ("0 rows", "12,345 rows")


def test_many_words_are_the_first_ones_and_a_number() -> None:
    assert [some([]), some(["a"]), some(["a", "b"], most=2), some(list("abc"), most=2)] == [
        *("", "a", "a, b", "a, b and 1 more")
    ]
