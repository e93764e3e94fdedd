"""What holds for every confidence sequence."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.core.errors import Invalid
from clew.stats.sequential.asymptotic import AsymptoticSequence
from clew.stats.sequential.betting import BettingSequence
from clew.stats.sequential.gaussian import GaussianSequence
from clew.stats.sequential.mixture import mixture_reach, tightest_at
from clew.stats.sequential.sequence import ConfidenceSequence, next_moments
from clew.stats.sequential.student import StudentSequence

Stored = StudentSequence | AsymptoticSequence | GaussianSequence | BettingSequence
STARTS: list[Stored] = [
    StudentSequence(),
    AsymptoticSequence(horizon=60, first=10),
    GaussianSequence(1.0),
    BettingSequence(-4.0, 4.0),
]
every = pytest.mark.parametrize("start", STARTS, ids=lambda start: type(start).__name__)
values = st.lists(st.floats(-4, 4), max_size=40)


def after(start: ConfidenceSequence, xs: object) -> ConfidenceSequence:
    for x in xs:
        start = start.update(float(x))
    return start


@every
@given(xs=values)
def test_bounds_hold_the_mean_and_widen_with_the_level(start: Stored, xs: list[float]) -> None:
    state = after(start, xs)
    wide, narrow = state.interval(0.99), state.interval(0.8)
    assert wide.low <= narrow.low
    assert narrow.high <= wide.high
    if not isinstance(state, BettingSequence):  # what betting has excluded stays excluded, come what may
        assert narrow.low <= narrow.value <= narrow.high
    assert state.units == narrow.units == len(xs)
    assert narrow.value == pytest.approx(np.mean(xs) if xs else 0.0, abs=1e-9)
    assert narrow.low == pytest.approx(state.lower(0.1))


@every
@given(xs=values)
def test_turning_the_sign_turns_the_interval(start: Stored, xs: list[float]) -> None:
    ours, turned = after(start, xs), after(start, [-x for x in xs])
    assert ours.lower(0.05) == pytest.approx(-turned.upper(0.05), abs=1e-9)
    assert ours.upper(0.05) == pytest.approx(-turned.lower(0.05), abs=1e-9)


@every
def test_states_are_values_that_can_be_stored_between_looks(start: Stored) -> None:
    xs = np.random.default_rng(1).normal(0.3, 0.5, 30)
    state = after(start, xs[:15])
    again = msgspec.convert(msgspec.to_builtins(state), Stored)
    packed = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=Stored)
    assert again == packed == state
    assert state.units == 15
    assert after(again, xs[15:]) == after(start, xs)


@every
def test_nonsense_is_refused(start: Stored) -> None:
    for value in (math.nan, math.inf):
        with pytest.raises(Invalid):
            start.update(value)
    for alpha in (0.0, 0.6, math.nan):
        with pytest.raises(Invalid):
            start.lower(alpha)
    with pytest.raises(Invalid):
        start.interval(1.0)


@every
def test_false_positives_with_a_look_at_each_unit(start: Stored) -> None:
    """200 trials of 60 units: a bound passes the mean in at most 5 % of them, beyond chance."""
    rng = np.random.default_rng(2)
    wrong = 0
    for xs in np.clip(rng.normal(0.0, 1.0, (200, 60)), -4, 4):
        state: ConfidenceSequence = start
        for x in xs:
            state = state.update(float(x))
            if state.lower(0.05) > 0.0:
                wrong += 1
                break
    assert wrong / 200 <= 0.075


@every
def test_bounds_close_in(start: Stored) -> None:
    rng = np.random.default_rng(3)
    state = after(start, rng.normal(0.7, 1.0, 40).clip(-4, 4))
    early = state.interval(0.9)
    late = after(state, rng.normal(0.7, 1.0, 360).clip(-4, 4)).interval(0.9)
    assert late.width < 0.75 * early.width
    assert late.holds(0.7)
    assert late.low > 0.0


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=50))
def test_moments_are_moments(xs: list[float]) -> None:
    units, mean, squares = 0, 0.0, 0.0
    for x in xs:
        units, mean, squares = next_moments(units, mean, squares, x)
    assert (units, mean) == (len(xs), pytest.approx(np.mean(xs), abs=1e-9))
    assert squares == pytest.approx(np.var(xs) * len(xs), abs=1e-6)


def test_the_mixture_boundary_is_near_its_tightest_where_it_was_tuned() -> None:
    tuned = tightest_at(60, 0.05)
    at = [mixture_reach(60, 0.05, tuned * f) for f in (0.2, 0.6, 1.0, 1.7, 5.0)]
    assert at[2] <= 1.01 * min(at)
    assert mixture_reach(60, 0.05, tuned) == pytest.approx(2.78 / math.sqrt(60), rel=0.01)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: GaussianSequence(0.0),
        lambda: GaussianSequence(1.0, horizon=0.0).lower(0.05),
        lambda: BettingSequence(1.0, 1.0),
        lambda: BettingSequence(0.0, 1.0).update(1.5),
        lambda: StudentSequence(aim=0.0).update(1.0).update(2.0).lower(0.05),
        lambda: AsymptoticSequence(horizon=math.inf).lower(0.05),
    ],
)
def test_impossible_settings_are_refused(ask) -> None:
    with pytest.raises(Invalid):
        ask()


def test_the_asymptotic_sequence_waits() -> None:
    state = after(AsymptoticSequence(first=30), [1.0, 2.0] * 14 + [1.0])
    assert (state.units, state.lower(0.05), state.upper(0.05)) == (29, -math.inf, math.inf)
    assert math.isfinite(state.update(1.5).lower(0.05))


def test_betting_gains_against_wrong_means_only() -> None:
    state = after(BettingSequence(0.0, 1.0), [0.9, 1.0, 0.95, 0.9] * 10)
    assert 0.7 < state.lower(0.025) < 0.93 < state.upper(0.025)
    assert (BettingSequence(0.0, 1.0).lower(0.05), BettingSequence(0.0, 1.0).upper(0.05)) == (0.0, 1.0)
