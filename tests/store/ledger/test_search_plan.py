"""Which runs a search looks at first: what `search_plan` finds by an index, and what it leaves to columns.

That answers do not depend on it is held in `test_search`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from clew.core.judging import NUMBER, TEXT, Key
from clew.core.types.filter import NEWEST, Both, Comparison, Field, Filter, Not, Order, Search, Value
from clew.core.types.run import Experiment
from clew.store.ledger.sql import search_plan
from clew.store.ledger.sql.search_plan import Candidates, rare, walks
from clew.store.ledger.sql.transaction import SqlTransaction
from clew.store.ledger.sqlite import SqliteLedger
from clew.testing.ledger.examples import a_block, a_run, change

EXPERIMENTS = {"trees": "e1", "nets": "e2"}
LONG = "long " * 30


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[SqlTransaction]:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    with ledger.write() as tx:
        for name, each in EXPERIMENTS.items():
            tx.experiments.add(Experiment(id=each, project="p", name=name, created_us=1))
        for at, (experiment, params) in enumerate(
            [("e1", {"p": 1}), ("e1", {"p": 2.5}), ("e2", {"p": "a"}), ("e2", {"p": LONG})]
        ):
            parent = "00" if at == 1 else ""
            run = a_run(f"0{at}", experiment=experiment, params=params, tags={"t": f"x{at % 2}"}, parent=parent)
            tx.runs.add(msgspec.structs.replace(run, created_us=2 if at == 1 else 1))
            tx.series.append([change(a_block("j/1", float(at), key="m"), run=f"0{at}")])
        tx.series.append([change(a_block("j/2", -9.0, step=1, key="m"), run="03")])
    with ledger.read() as tx:
        yield tx
    ledger.close()


def runs_of(tx: SqlTransaction, found: Candidates | None) -> list[str] | None:
    """The last digits of the candidates' ids; None where there are none to look at."""
    if found is None:
        return None
    ids = dict(tx._c.rows("SELECT number, run FROM search_runs"))
    rows = tx._c.rows(f"{found.sql} LIMIT {found.limit}", found.given)
    return [ids[row[0]][-1] for row in rows]


P, T, M, LOWEST = Field("param", "p"), Field("tag", "t"), Field("metric", "m", "last"), Field("metric", "m", "min")


@pytest.mark.parametrize(
    ("field", "op", "values", "expected"),
    [
        (Field("experiment"), "=", ("trees",), "01"),
        (Field("experiment"), "=", ("none",), ""),
        (Field("experiment"), "in", ("trees", "nets"), "0123"),
        (Field("experiment"), "!=", ("trees",), None),
        (Field("experiment"), "<", ("trees",), None),
        (Field("experiment"), "in", (None,), None),
        (Field("name"), "<", ("run 01",), None),
        (Field("id"), "in", ("00", "03"), "03"),
        (Field("id"), "<", ("03",), None),
        (Field("parent"), "=", ("00",), "1"),
        (Field("status"), "=", ("running",), None),
        (P, "=", (1,), "0"),
        (P, "<", (2.5,), "0"),
        (P, "<=", (2.5,), "01"),
        (P, ">", (1,), "1"),
        (P, ">=", (1,), "01"),
        (P, "in", (1, 2.5), "01"),
        (P, "in", (1, "a"), "02"),
        (P, "=", (None,), None),
        (P, "=", ("a",), "2"),
        (P, "in", ("a", LONG), "23"),
        (P, "<", ("b",), None),
        (P, "!=", (1,), None),
        (P, "contains", ("a",), None),
        (T, "=", ("x1",), "13"),
        (M, ">", (0,), "12"),
        (LOWEST, ">", (0,), None),
    ],
)
def test_what_an_index_finds(
    tx: SqlTransaction, field: Field, op: str, values: tuple[Value, ...], expected: str | None
) -> None:
    found = runs_of(tx, rare(tx._c, "p", [Comparison(field, op, values)], EXPERIMENTS))
    assert found == expected if expected is None else sorted(found or []) == list(expected)


ONE, X1, ABOVE = Comparison(P, "=", (1,)), Comparison(T, "=", ("x1",)), Comparison(P, ">", (1,))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Both("or", (ONE, X1)), "013"),
        (Both("or", (ONE, Not(X1))), None),
        (Both("or", (Both("and", (Not(X1), ONE)), ABOVE)), "01"),
        (Both("and", (Not(X1), Not(ONE))), None),
        (Not(X1), None),
    ],
)
def test_what_indexes_find_together(tx: SqlTransaction, wanted: Filter, expected: str | None) -> None:
    found = runs_of(tx, rare(tx._c, "p", [wanted], EXPERIMENTS))
    assert found == expected if expected is None else sorted(found or []) == list(expected)


def test_the_first_part_that_few_runs_pass_is_taken(tx: SqlTransaction, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_plan, "_RARE", 2)
    one, two, three = (Comparison(P, "=", (1,)), Comparison(T, "=", ("x1",)), Comparison(P, ">", (0,)))
    assert runs_of(tx, rare(tx._c, "p", [Not(one), two, three, one], EXPERIMENTS)) == ["0"]
    assert rare(tx._c, "p", [two, three], EXPERIMENTS) is None


def walked(
    tx: SqlTransaction, search: Search, keys: list[Key] | None = None, *, behind: str = "", far: bool = True
) -> list[tuple[int, list[str] | None]]:
    """The limits of the walks of a search, and what each meets."""
    found = walks("p", search, keys or [], behind, EXPERIMENTS, far=far)
    return [(each.limit, runs_of(tx, each)) for each in found]


def test_the_newest_runs_come_first(tx: SqlTransaction) -> None:
    trees: Filter = Both("and", (Comparison(Field("experiment"), "=", ("trees",)), Comparison(P, "=", (1,))))
    assert walked(tx, Search(order=NEWEST, limit=5)) == [(256, ["1", "3", "2", "0"]), (2048, ["1", "3", "2", "0"])]
    assert walked(tx, Search(order=NEWEST, limit=5), far=False) == [(256, ["1", "3", "2", "0"])]
    assert walked(tx, Search(order=NEWEST, limit=256)) == [(2048, ["1", "3", "2", "0"])]
    behind: list[Key] = [(NUMBER, 1.0)]
    assert walked(tx, Search(order=NEWEST, limit=255), behind, far=False, behind="02") == [(256, ["0"])]
    assert walked(tx, Search(filter=trees, order=NEWEST, limit=5), far=False) == [(256, ["1", "0"])]
    for no_time in ((TEXT, "a"), (NUMBER, 1e300)):
        assert walked(tx, Search(order=NEWEST, limit=5), [no_time], far=False, behind="02") == []
    assert walked(tx, Search(limit=5)) == []


def test_an_order_by_a_value_is_walked_from_its_end(tx: SqlTransaction) -> None:
    def by(field: Field, *, descending: bool = False, keys: list[Key] | None = None) -> list[str] | None:
        found = walked(tx, Search(order=(Order(field, descending),), limit=5), keys, far=False)
        return found[0][1] if found else None

    assert by(M) == ["3", "0", "1", "2"]
    assert by(M, descending=True) == ["2", "1", "0", "3"]
    assert by(M, keys=[(NUMBER, 1.0)]) == ["1", "2"]
    assert by(M, descending=True, keys=[(NUMBER, 1.0)]) == ["1", "0", "3"]
    assert by(P) == ["0", "1"]
    assert by(P, keys=[(TEXT, "a")]) is None
    assert by(LOWEST) is by(Field("name")) is None


def test_where_others_may_equal_the_last_it_is_known_which_is_the_worst(tx: SqlTransaction) -> None:
    for descending, worst in ((False, 3.0), (True, 1.0)):
        search = Search(order=(Order(M, descending),), limit=5)
        [found] = walks("p", search, [], "", EXPERIMENTS, far=False)
        assert found.worst is not None
        assert (found.worst([1.0, 3.0, 2.0]), found.complete) == (worst, False)
