"""What the logs say: each decision once, complete, however often and in whatever pieces they are read."""

from __future__ import annotations

import polars as pl

from clew.demo.account import Account
from clew.loop.watch import compact_endpoint
from clew.registry.package import load_package
from clew.serving.runtime import Runtime, load_runtime
from clew.testing.life import Life


def drain(life: Life) -> None:
    compact_endpoint(life.monitor)


def account_of(life: Life) -> Account:
    return Account(life.stores, life.endpoint, life.version(1).id)


def runtime_of(life: Life, number: int) -> Runtime:
    package = load_package(life.stores.objects, life.version(number).package)
    return load_runtime(package, life.stores.objects, trust=life.workspace.trust)


def test_a_decision_is_given_out_once_when_label_and_baseline_are_there(life: Life) -> None:
    account = account_of(life)
    assert account.refresh() is None
    names = life.decide(0, 20, by=2, shadows=[1, 3])
    drain(life)
    assert account.refresh() is None
    assert account.waiting == names
    life.label(names[:15], day=1)
    drain(life)
    found = account.refresh()
    assert found is not None
    assert found["key"].to_list() == names[:15]
    assert found["late"].to_list() == [life.truths[name] for name in names[:15]]
    life.label(names[15:], day=1)
    drain(life)
    rest = account.refresh()
    assert rest is not None
    assert rest["key"].to_list() == names[15:]
    assert account.refresh() is None
    assert (account.logged, account.waiting) == (20, [])


def test_the_baseline_is_compared_with_itself_where_it_answered(life: Life) -> None:
    life.label(life.decide(0, 12, by=1, shadows=[3]), day=1)
    drain(life)
    found = account_of(life).refresh()
    assert found is not None
    assert found["static_score"].equals(found["score"].rename("static_score"))
    assert found["static_decision"].equals(found["decision"].rename("static_decision"))


def test_pieces_and_the_whole_are_the_same(life: Life) -> None:
    piecewise, parts = account_of(life), []
    for day in range(4):
        names = life.decide(day, 24, by=1 + day % 2, shadows=[1, 2])
        drain(life)
        parts.append(piecewise.refresh())
        life.label(names, day=day + 1)
        drain(life)
        parts.append(piecewise.refresh())
    whole = account_of(life).refresh()
    assert whole is not None
    assert pl.concat([part for part in parts if part is not None]).sort("id").equals(whole.sort("id"))
    assert whole.height == 96


def test_the_label_that_came_last_counts(life: Life) -> None:
    names = life.decide(0, 6, by=1)
    life.label(names, day=1, wrong=True)
    life.label(names, day=1)
    drain(life)
    found = account_of(life).refresh()
    assert found is not None
    assert found["late"].to_list() == [life.truths[name] for name in names]


def test_what_the_baseline_did_not_see_is_scored_from_the_log_to_the_bit(life: Life) -> None:
    seen = life.decide(0, 24, by=2, shadows=[1])
    lost = life.decide(1, 24, by=2)
    life.label([*seen, *lost], day=2)
    drain(life)
    account = account_of(life)
    first = account.refresh()
    assert first is not None
    assert first["key"].to_list() == seen
    assert account.score_missing(runtime_of(life, 1)) == 24
    later = account.refresh()
    assert later is not None
    assert later["key"].to_list() == lost
    assert account.score_missing(runtime_of(life, 1)) == 0
    twin = life.decide(1, 24, by=1)
    life.label(twin, day=2)
    drain(life)
    answered = account.refresh()
    assert answered is not None
    assert later["static_score"].to_list() == answered["score"].to_list()
