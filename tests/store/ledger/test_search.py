"""Every plan of a search gives what going through all runs gives, while runs change."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from clew.core.contracts.ledger import Durability, Ledger
from clew.core.errors import Invalid
from clew.core.judging import FoundRun
from clew.core.paging import Page
from clew.core.types.edge import Edge, Role
from clew.core.types.filter import AGGREGATES, NEWEST, Both, Comparison, Field, Filter, Not, Order, Search
from clew.core.types.run import Experiment, Run, RunStatus, Scalar
from clew.store.ledger.memory import MemoryLedger
from clew.store.ledger.postgres import PostgresLedger
from clew.store.ledger.sql import search, search_plan, search_source
from clew.store.ledger.sqlite import SqliteLedger
from clew.testing.ledger.examples import a_block, a_dataset, a_run, a_version, change

LONG = "long " * 30
SCALARS: list[Scalar] = [None, True, False, 0, 1, 2, 2.5, -0.0, 10**400, "a", "B", "ab", "a%b", "a\0b", "", LONG, "ß"]
NUMBERS = [0.0, -0.0, 1.0, 2.5, -3.0, 1e300, math.inf, -math.inf, math.nan]
FIELDS = [
    *(Field("metric", name, how) for name in ("m", "n") for how in (*AGGREGATES, "there")),
    *(Field("param", name) for name in ("p", "q")),
    *(Field("tag", name) for name in ("t", "u")),
    Field("data", "flights"),
    *(Field(name) for name in ("id", "name", "status", "kind", "experiment", "parent", "commit", "created_by")),
    *(Field(name) for name in ("created", "ended", "duration")),
    *(Field(name, "", "ms") for name in ("created", "ended")),
]
PLANS = {"as chosen": (512, (256, 2048)), "walk": (0, (4, 8)), "columns": (0, ()), "rare": (6, ())}


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    made: Ledger
    if request.param == "sqlite":
        made = SqliteLedger(tmp_path / "ledger.db")
    else:
        made = PostgresLedger(request.getfixturevalue("postgres_url"), project="p")
    yield made
    made.close()


class World:
    """The same changes to a ledger and to its oracle."""

    def __init__(self, ledger: Ledger, seed: int) -> None:
        self.ledgers, self.random = (ledger, MemoryLedger()), random.Random(seed)
        self.runs: dict[str, Run] = {}
        self.blocks = 0
        for each in self.ledgers:
            with each.write() as tx:
                for name in ("e1", "e2"):
                    tx.experiments.add(Experiment(id=f"id-{name}", project="p", name=name, created_us=1))
                tx.datasets.add(change(a_dataset(), id="d"))
                for number in (1, 2):
                    tx.datasets.add_version(a_version(number, dataset="d"))

    def do(self, change: Callable[[object], object]) -> None:
        for each in self.ledgers:
            with each.write(Durability.KILL) as tx:
                change(tx)

    def pick(self, values: list[object]) -> object:
        return self.random.choice(values)

    def change(self) -> None:
        what = self.random.random()
        if what < 0.4 or not self.runs:
            self.add()
        elif what < 0.7:
            self.measure()
        elif what < 0.9:
            self.put()
        elif what < 0.95:
            run = self.random.choice(list(self.runs))
            self.do(lambda tx: tx.series.remove(run))  # type: ignore[attr-defined]
        else:
            version, run = self.random.choice("12"), self.random.choice(list(self.runs))
            edge = Edge(source=f"data:d-{version}", target=f"run:{run}", role=Role.INPUT, run=run)
            self.do(lambda tx: tx.edges.add([edge]))  # type: ignore[attr-defined]

    def add(self) -> None:
        number = self.random.randrange(16**6)
        run = a_run(
            f"{number:032x}",
            project=self.random.choice("pppq"),
            experiment=self.random.choice(["id-e1", "id-e2"]),
            name=self.random.choice(["one", "two", "Two%"]),
            created_us=self.random.choice([0, 1, 2, 1000, 1500, 2999]),
            params=self.params(),
            tags=self.tags(),
        )
        if run.id not in self.runs:
            self.runs[run.id] = run
            self.do(lambda tx: tx.runs.add(run))  # type: ignore[attr-defined]

    def params(self) -> dict[str, Scalar]:
        return {name: self.random.choice(SCALARS) for name in "pq" if self.random.random() < 0.7}

    def tags(self) -> dict[str, str]:
        return {name: self.random.choice(["x", "y", LONG + "z", ""]) for name in "tu" if self.random.random() < 0.7}

    def put(self) -> None:
        run = self.random.choice(list(self.runs.values()))
        ended = self.random.choice([0, 1, 2, 1000, 2500])
        run = msgspec.structs.replace(
            run,
            params=self.params(),
            tags=self.tags(),
            name=self.random.choice(["one", "three"]),
            experiment=self.random.choice(["id-e1", "id-e2"]),
            ended_us=ended,
            status=RunStatus.FINISHED if ended else RunStatus.RUNNING,
            parent=self.random.choice(["", "01"]),
            deleted_us=self.random.choice([0, 0, 0, 5]),
        )
        self.runs[run.id] = run
        self.do(lambda tx: tx.runs.put(run))  # type: ignore[attr-defined]

    def measure(self) -> None:
        self.blocks += 1
        run, key, value = (self.random.choice(each) for each in (list(self.runs), "mn", NUMBERS))
        step = float(self.random.randrange(3))
        block = change(a_block(f"j:{self.blocks}-{self.blocks}", value, step=step, key=key), run=run)
        self.do(lambda tx: tx.series.append([block]))  # type: ignore[attr-defined]

    def comparison(self) -> Comparison:
        field = self.random.choice(FIELDS)
        op = self.random.choice(["=", "!=", "<", "<=", ">", ">=", "in", "is", "~", "contains", "like", "ilike"])
        if op == "is":
            return Comparison(field, "is", (None,))
        texts = ["a", "b", "%", "a_b", "%b%", "x", "one", "t", "", "e1", LONG, "finished", "%W%"]
        if op in ("~", "contains", "like", "ilike"):
            return Comparison(field, op, (self.random.choice(texts),))
        values: list[Scalar] = [*SCALARS[1:], *NUMBERS[:-1], *texts, 1, 2, 3]
        if field == Field("id"):
            values = [*self.runs, "a", 1]
        elif field == Field("parent"):
            values = ["01", "02", ""]
        count = self.random.randrange(1, 4) if op == "in" else 1
        return Comparison(field, op, tuple(self.random.choice(values) for _ in range(count)))

    def filter(self, depth: int = 2) -> Filter:
        what = self.random.random()
        if what < 0.4 or not depth:
            return self.comparison()
        if what < 0.6:
            return Not(self.filter(depth - 1))
        parts = tuple(self.filter(depth - 1) for _ in range(self.random.randrange(2, 4)))
        return Both(self.random.choice(["and", "or"]), parts)

    def search(self) -> Search:
        order = tuple(
            Order(self.random.choice(FIELDS), self.random.random() < 0.5)
            for _ in range(self.random.choice([0, 1, 1, 2, 3]))
        )
        trees = Comparison(Field("experiment"), "=", ("e1",))
        return Search(
            filter=self.random.choice([self.filter(), self.filter(), self.filter(), trees, None]),
            order=self.random.choice([order, order, NEWEST]),
            limit=self.random.choice([1, 2, 3, 50]),
            skip=self.random.choice([0, 0, 1, 3]),
            deleted=self.random.choice([False, False, None, True]),
            metrics=self.random.choice([None, None, ("m",), ()]),
        )

    def check(self) -> None:
        search = self.search()
        for _ in range(6):
            pages = []
            for each in self.ledgers:
                with each.read() as tx:
                    pages.append(tx.runs.search("p", search))
            found, expected = pages
            assert [one.run.id for one in found.items] == [one.run.id for one in expected.items], search
            assert shown(found) == shown(expected)
            if not found.next:
                return
            search = msgspec.structs.replace(search, after=found.next)
            if self.random.random() < 0.2:
                self.change()


def shown(page: Page[FoundRun]) -> list[object]:
    return [
        (one.run, one.experiment, one.data, [(key, each.count, each.nans) for key, each in sorted(one.metrics.items())])
        for one in page.items
    ] + [bool(page.next)]


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("seed", range(2))
def test_every_plan_answers_as_the_oracle(
    ledger: Ledger, seed: int, plan: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rare, steps = PLANS[plan]
    monkeypatch.setattr(search_plan, "_RARE", rare)
    monkeypatch.setattr(search_plan, "_STEPS", steps)
    monkeypatch.setattr(search, "_FEW", search._FEW if plan == "as chosen" else 0)
    monkeypatch.setattr(search_source, "_MOST_TEXTS", 3)  # a column is read in several pages
    world = World(ledger, seed)
    world.check()
    for _ in range(30):
        for _ in range(world.random.choice([0, 1, 3])):
            world.change()
        world.check()


def test_a_cursor_of_another_order_is_refused(ledger: Ledger) -> None:
    world = World(ledger, 1)
    for _ in range(10):
        world.add()
    by_name = Search(order=(Order(Field("name")),), limit=1)
    for each in world.ledgers:
        with each.read() as tx:
            page = tx.runs.search("p", by_name)
            for order in ((Order(Field("name"), descending=True),), (Order(Field("status")),)):
                with pytest.raises(Invalid, match="no page token of this order"):
                    tx.runs.search("p", Search(order=order, after=page.next))
            for token in ("x", "ä", "AAAA", page.next[:-3]):
                with pytest.raises(Invalid, match="no page token"):
                    tx.runs.search("p", msgspec.structs.replace(by_name, after=token))
