from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from clew.core.errors import Invalid
from clew.stats.drift.design import Design
from clew.stats.drift.detectable import sight_of
from clew.stats.drift.effects import jensen_shannon
from clew.stats.drift.homogeneity import drift_test

REFERENCE = np.array([0, *[1250] * 24, 0, 0])
CUTS = stats.norm.ppf(np.linspace(0, 1, 25)[1:-1])


def shifted(by: float) -> np.ndarray:
    shares = np.diff(np.concatenate([[0.0], stats.norm.cdf(CUTS - by), [1.0]]))
    return np.concatenate([[0.0], shares, [0.0, 0.0]])


def test_it_falls_with_rows_and_rises_with_correlation() -> None:
    few, many = (sight_of(REFERENCE, rows, ordered=True, alpha=1e-4) for rows in (500, 50_000))
    assert few.noise < few.critical < few.detectable
    assert many.critical < 0.3 * few.critical
    days = Design(units=40, rows_per_unit=1000.0, correlations=(0.01, 0.0))
    assert sight_of(REFERENCE, 500, ordered=True, alpha=1e-4, design=days).critical > 1.5 * few.critical
    assert sight_of(REFERENCE, 500, ordered=True, alpha=1e-8).critical > few.critical


def test_the_noise_is_what_windows_without_drift_show() -> None:
    rng = np.random.default_rng(1)
    seen = [drift_test(REFERENCE, rng.multinomial(1000, REFERENCE / 30_000), ordered=True).effect for _ in range(200)]
    assert np.sqrt(np.mean(np.square(seen))) == pytest.approx(
        sight_of(REFERENCE, 1000, ordered=True, alpha=0.01).noise, rel=0.08
    )


def test_a_drift_of_the_detectable_size_is_found_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    sight = sight_of(REFERENCE, 2000, ordered=True, alpha=1e-3, power=0.9)
    reference = shifted(0.0)
    by = next(d for d in np.arange(0.0, 1.0, 0.002) if jensen_shannon(reference, shifted(d)) >= sight.detectable)
    windows = rng.multinomial(2000, shifted(by), 300)
    references = rng.multinomial(30_000, reference, 300)
    found = [drift_test(r, w, ordered=True) for r, w in zip(references, windows, strict=True)]
    share = np.mean([test.p_value <= 1e-3 for test in found])
    assert 0.83 <= share <= 0.96
    agree = [(test.effect >= sight.critical) == (test.p_value <= 1e-3) for test in found]
    assert np.mean(agree) > 0.85  # all of them lie near the threshold


@pytest.mark.parametrize(
    "ask",
    [
        lambda: sight_of(REFERENCE, 0, ordered=True, alpha=0.01),
        lambda: sight_of(REFERENCE, 10, ordered=True, alpha=0.0),
        lambda: sight_of(REFERENCE, 10, ordered=True, alpha=0.5, power=0.3),
        lambda: sight_of([0, 0], 10, ordered=True, alpha=0.01),
    ],
)
def test_nonsense_is_refused(ask) -> None:
    with pytest.raises(Invalid):
        ask()
