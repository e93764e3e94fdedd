"""A look at the whole record of a project that lived."""

from __future__ import annotations

from clew.audit.seal import seal
from clew.audit.verify import verify
from clew.testing.life import Life


def test_a_project_that_lived_holds(life: Life) -> None:
    names = life.decide(0)
    life.label(names, day=0)
    life.watch(1)
    assert seal(life.stores) > 12
    seen: list[tuple[int, int]] = []
    found = verify(life.stores, look=lambda done, total: seen.append((done, total)))
    assert found.holds, found.problems
    assert found.size == found.events == seen[-1][0] == seen[-1][1]
    assert found.rows > 12
    assert (found.waiting, len(found.unknown)) == (0, 1)


def test_what_waits_is_said(life: Life) -> None:
    found = verify(life.stores)
    assert found.holds
    assert found.waiting == 12
    assert "12 events not sealed yet" in found.unknown[0]
    assert seal(life.stores) == 12
    assert seal(life.stores) == 0
