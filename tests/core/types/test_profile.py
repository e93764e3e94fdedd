"""The format of profiles: what may be left out, and how alike rows are."""

from __future__ import annotations

import msgspec
import pytest

from clew.core.types.design import Design
from clew.core.types.profile import SCORE, ColumnProfile, HourCounts, Profile, ProfileKind


def test_what_is_left_out_has_its_default() -> None:
    column = ColumnProfile(name=SCORE, kind=ProfileKind.NUMBER, counts=(1, 2, 0), edges=(0.5,))
    profile = Profile(rows=3, unit="", units=3, columns=(column,))
    assert (profile.version, column.design, column.categories) == (0, None, ())
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(profile), type=Profile) == profile
    assert HourCounts(decider="v", hours={}).version == 0


def test_a_design_effect_is_an_average() -> None:
    assert Design(units=3, rows_per_unit=11.0, correlations=(0.2, 0.0)).effect == pytest.approx(2.0)
    assert Design(units=0, rows_per_unit=1.0, correlations=()).effect == 1.0
