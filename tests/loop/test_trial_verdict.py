"""What ends a trial is the interval that the gate and the record get: neither may contradict the trial."""

from __future__ import annotations

import pytest

from clew.core.types.endpoint import TrialState
from clew.loop.trial import TrialTest, _interval, _verdict
from clew.settings import PromotionSettings
from clew.stats.sequential.student import StudentSequence


def after(differences: list[float]) -> TrialTest:
    sequence = StudentSequence()
    for difference in differences:
        sequence = sequence.update(difference)
    return TrialTest(difference=sequence, champion_cost=float(len(differences)), rows=len(differences))


@pytest.mark.parametrize("units", range(1, 40))
@pytest.mark.parametrize("mean", [-0.3, 0.3])
def test_a_verdict_is_never_earlier_than_its_interval(units: int, mean: float) -> None:
    test = after([mean + 0.1 * (-1) ** unit for unit in range(units)])
    interval = _interval(test, PromotionSettings())
    surely = interval.high < 0 if mean < 0 else interval.low > 0
    wanted = TrialState.PROMOTED if mean < 0 else TrialState.REJECTED
    assert _verdict(test, PromotionSettings()) == (wanted if surely and units >= 7 else None)


def test_a_great_difference_is_found_within_three_weeks() -> None:
    assert _verdict(after([-0.3 + 0.1 * (-1) ** unit for unit in range(21)]), PromotionSettings()) is not None


def test_an_undecided_trial_ends() -> None:
    assert _verdict(after([0.1 * (-1) ** unit for unit in range(60)]), PromotionSettings()) is TrialState.REJECTED
