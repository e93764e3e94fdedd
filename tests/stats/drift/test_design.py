from __future__ import annotations

import numpy as np
import pytest

from clew.core.errors import Invalid
from clew.stats.drift.design import Design, design_effect, independent_rows


def test_independent_rows_have_next_to_no_design_effect(moving_days) -> None:
    rng = np.random.default_rng(1)
    designs = [design_effect(moving_days(rng, 40, 1000, 0.0), ordered=True) for _ in range(20)]
    assert np.mean([design.effect for design in designs]) == pytest.approx(1.1, abs=0.07)
    assert max(design.correlations[0] for design in designs) < 0.003
    assert (designs[0].units, designs[0].rows_per_unit) == (40, 1000)
    assert independent_rows().effect == 1.0


def test_one_moving_direction_is_found_and_sized(moving_days) -> None:
    """A mean that moves by 0.3 deviations is one direction with about 1 + 999 x 0.09 times the variance."""
    rng = np.random.default_rng(2)
    designs = [design_effect(moving_days(rng, 60, 1000, 0.3), ordered=True) for _ in range(20)]
    assert np.mean([design.correlations[0] for design in designs]) == pytest.approx(0.085, abs=0.01)
    assert np.mean([design.correlations[3] for design in designs]) < 0.002


def test_correlations_do_not_depend_on_the_size_of_units(moving_days) -> None:
    rng = np.random.default_rng(3)
    small, large = (
        np.mean([design_effect(moving_days(rng, 60, rows, 0.2), ordered=True).correlations[0] for _ in range(20)])
        for rows in (300, 3000)
    )
    assert small == pytest.approx(large, rel=0.15)


def test_an_effect_in_all_directions() -> None:
    """Dirichlet-multinomial days: the correlation is 1 / (total + 1) in every direction."""
    rng = np.random.default_rng(4)
    designs = []
    for _ in range(20):
        days = np.stack([rng.multinomial(500, p) for p in rng.dirichlet([9.9] * 10, 60)])
        designs.append(design_effect(np.concatenate([days, np.zeros((60, 2), int)], axis=1), ordered=False))
    assert np.mean([design.effect for design in designs]) == pytest.approx(1 + 499 / 100, rel=0.1)


def test_units_of_one_row_say_nothing() -> None:
    assert design_effect([[1, 0, 0], [0, 1, 0]], ordered=False).correlations == ()


def test_what_cannot_be_ruled_out_is_assumed(moving_days) -> None:
    """The fewer days, the more they might hide."""
    rng = np.random.default_rng(5)
    few, many = (
        np.mean([design_effect(moving_days(rng, days, 1000, 0.0), ordered=True).correlations[0] for _ in range(10)])
        for days in (6, 200)
    )
    assert few > 3 * many > 0


def test_empty_units_do_not_count_and_order_does_not_matter(moving_days) -> None:
    days = moving_days(np.random.default_rng(6), 12, 200, 0.3)
    padded = np.concatenate([days[::-1], np.zeros((3, days.shape[1]), int)])
    one, other = design_effect(days, ordered=True), design_effect(padded, ordered=True)
    assert (one.units, one.rows_per_unit) == (other.units, pytest.approx(other.rows_per_unit))
    assert one.correlations == pytest.approx(other.correlations)
    assert all(0.0 <= c <= 1.0 for c in one.correlations)


@pytest.mark.parametrize("counts", [[[1, 2, 3]], [[1, 2, 3], [0, 0, 0]], [[1, -2], [3, 4]], [1, 2]])
def test_nonsense_is_refused(counts: list) -> None:
    with pytest.raises(Invalid):
        design_effect(counts, ordered=True)


def test_a_design_without_correlations_is_one() -> None:
    assert Design(units=3, rows_per_unit=10.0, correlations=(0.1, 0.0)).effect == pytest.approx(1.45)


def test_days_that_never_differ_might_differ_as_much_as_they_cannot_show() -> None:
    """2 directions, 9 days: a design effect of 1 + √(2/8), and a little more, would have gone unnoticed."""
    design = design_effect(np.tile([50, 30, 20, 0, 0], (9, 1)), ordered=False)
    assert design.correlations == (pytest.approx((1.5**1.5 - 1.0) / 99), 0.0)


def test_a_column_of_one_value_has_no_direction() -> None:
    assert design_effect(np.tile([0, 50, 0, 0], (5, 1)), ordered=True).correlations == ()


def test_the_least_assumed_grows_with_directions_and_falls_with_units() -> None:
    def least(units: int, bins: int) -> float:
        days = np.tile([*[100] * bins, 0, 0], (units, 1))
        return design_effect(days, ordered=False).correlations[0] * (100 * bins - 1)

    for units, bins in ((9, 3), (9, 8), (30, 3), (30, 8)):
        ratio = (bins - 1) / (units - 1)
        assert least(units, bins) == pytest.approx((1.0 + ratio**0.5) ** 1.5 - 1.0)
