"""Promotion with everything that is known: the data as checks see it now, the same rows for both, and the trial."""

from __future__ import annotations

import msgspec
import polars as pl
import pytest

from clew.core.canonical import canonical
from clew.core.errors import GateRefused
from clew.core.ids import Digest
from clew.core.types.gate import GateCheck, Verdict
from clew.core.types.interval import Interval
from clew.core.types.package import DataReference
from clew.data.add_table import add_table
from clew.loop.in_place import InPlace
from clew.loop.promotion import promote_version
from clew.registry.package import load_package
from clew.settings import Settings, settings_of
from clew.testing.life import SETTINGS, Life, flights


def settings(text: str) -> Settings:
    return settings_of(SETTINGS + text)


def promote(life: Life, reference: str, declared: Settings, **more: Interval) -> None:
    promote_version(InPlace(life.stores, declared), declared, reference, "champion", reason="in a test", **more)


def checks_of(life: Life) -> list[GateCheck]:
    """What the gate said when the champion was last promoted."""
    [move] = [move for move in life.workspace.models.aliases("delay") if move.alias == "champion"]
    return life.workspace.aliases.report(move.report).checks


def trained_on(life: Life, frame: pl.DataFrame) -> str:
    """A version of the model that says that it was trained on a table."""
    data = add_table(life.workspace.site, "flights", frame).version
    package = load_package(life.stores.objects, life.version(2).package)
    used = DataReference(version=data.id, reference=data.reference, digest=data.digest)
    fresh = msgspec.structs.replace(package, data=(used,))
    digest: Digest = life.stores.objects.put(canonical(fresh))
    return life.workspace.models.register("delay", digest).reference


def test_the_data_is_judged_by_the_checks_of_today(life: Life) -> None:
    reference = trained_on(life, flights(300, seed=1))
    with pytest.raises(GateRefused) as refused:
        promote(life, reference, settings('\n[checks.flights.columns.hour]\ntype = "integer"\nmax = 12\n'))
    assert "hour" in refused.value.what
    promote(life, reference, settings('\n[checks.flights.columns.hour]\ntype = "integer"\nmax = 23\n'))
    [check] = [check for check in checks_of(life) if "flights" in check.name]
    assert check.verdict is Verdict.PASS


def test_data_without_checks_is_named(life: Life) -> None:
    promote(life, trained_on(life, flights(300, seed=1)), settings(""))
    assert any("flights" in f"{check.name} {check.reason}" for check in checks_of(life))


def test_a_trial_stands_in_place_of_the_evaluations(life: Life) -> None:
    worse = Interval(value=1.0, low=0.5, high=1.5, level=0.95, units=20, method="sequential t")
    with pytest.raises(GateRefused, match="more than delay@1"):
        promote(life, "delay@2", settings(""), trial=worse)
    better = Interval(value=-1.0, low=-1.5, high=-0.5, level=0.95, units=20, method="sequential t")
    promote(life, "delay@2", settings(""), trial=better)
    [check] = [check for check in checks_of(life) if check.name == "champion"]
    assert check.interval == better


def test_both_are_compared_on_the_same_rows(life: Life) -> None:
    promote(life, "delay@2", settings(""))
    [check] = [check for check in checks_of(life) if check.name == "champion"]
    assert (check.verdict, check.units) == (Verdict.PASS, 30)
