"""What a process keeps of all runs between searches stays within bounds, however long it lives and for however many."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clew.core.types.filter import NEWEST, Comparison, Field, Search
from clew.store.ledger.sql import search, search_cache, search_plan, search_source
from clew.store.ledger.sqlite import SqliteConnection, SqliteLedger
from clew.testing.ledger.examples import a_run

PROGRESS = Field("tag", "progress")


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteLedger]:
    monkeypatch.setattr(search_plan, "_RARE", 0)
    monkeypatch.setattr(search_plan, "_STEPS", ())
    made = SqliteLedger(tmp_path / "ledger.db")
    yield made
    made.close()


def found(ledger: SqliteLedger, project: str, text: str) -> list[str]:
    with ledger.read() as tx:
        page = tx.runs.search(project, Search(filter=Comparison(PROGRESS, "=", (text,)), order=NEWEST))
        return [one.run.id for one in page.items]


def test_texts_that_no_run_has_any_more_are_forgotten(ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_cache, "_SPARE_TEXTS", 5)
    with ledger.write() as tx:
        tx.runs.add(a_run("0a"))
    for at in range(30):
        with ledger.write() as tx:
            tx.runs.put(a_run("0a", tags={"progress": f"{at} %"}))
        assert (found(ledger, "p", f"{at} %"), found(ledger, "p", f"{at - 1} %")) == (["0a"], [])
        with ledger._searches.table("p") as table:
            assert len(table._columns[PROGRESS][0].texts.texts) <= 8


def test_the_project_that_was_not_asked_for_longest_makes_room(
    ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ledger.write() as tx:
        for project in "pqr":
            tx.runs.add(a_run(f"0{project}", project=project, tags={"progress": "half"}))
    monkeypatch.setattr(search_cache, "_MOST_VALUES", 1100)  # of two projects: positions come by the thousand
    for project, kept in (("p", "p"), ("q", "pq"), ("p", "qp"), ("r", "pr"), ("q", "rq")):
        assert found(ledger, project, "half") == [f"0{project}"]
        assert "".join(ledger._searches._tables) == kept


def test_columns_are_read_by_who_asks_twice(ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_FEW", 0)
    monkeypatch.setattr(search_plan, "_STEPS", (110, 1000))  # the second step reaches every run
    with ledger.write() as tx:
        for at in range(150):
            tx.runs.add(a_run(f"{at:02x}", tags={"progress": "half" if at == 0 else "none"}))
    assert known_after_two(ledger) == [False, True]


def known_after_two(ledger: SqliteLedger) -> list[bool]:
    """Whether there are columns after a first and a second search."""
    known = []
    for _ in range(2):
        assert found(ledger, "p", "half") == ["00"]
        with ledger._searches.table("p") as table:
            known.append(table.knows([PROGRESS]))
    return known


@pytest.mark.parametrize(("few", "columns"), [(2, True), (1, False)])
def test_few_runs_are_read_by_who_asks_twice_though_an_index_answers(
    ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch, few: int, columns: bool
) -> None:
    monkeypatch.setattr(search, "_FEW", few)
    monkeypatch.setattr(search_plan, "_RARE", 512)
    with ledger.write() as tx:
        for each, tag in (("00", "half"), ("01", "none")):
            tx.runs.add(a_run(each, tags={"progress": tag}))
    assert known_after_two(ledger) == [False, columns]


def test_runs_whose_ids_come_late_are_shown_in_their_place(ledger: SqliteLedger) -> None:
    shown = []
    for each in ("0b", "0a", "0d", "0c", "0e"):
        with ledger.write() as tx:
            tx.runs.add(a_run(each, tags={"progress": "half"}))
        shown.append(" ".join(found(ledger, "p", "half")))
    assert shown == ["0b", "0b 0a", "0d 0b 0a", "0d 0c 0b 0a", "0e 0d 0c 0b 0a"]


def test_runs_that_are_gone_are_not_shown_and_take_no_place_on_a_page(ledger: SqliteLedger) -> None:
    with ledger.write() as tx:
        for each in ("0a", "0b", "0c", "0d"):
            tx.runs.add(a_run(each, tags={"progress": "half"}))
    asked = Search(filter=Comparison(PROGRESS, "=", ("half",)), limit=2)
    with ledger.read() as tx:
        page = tx.runs.search("p", asked)
    assert [one.run.id for one in page.items] == ["0d", "0c"]
    with ledger.write() as tx:  # as where a project is put in the place of itself
        for each in ("0c", "0b"):
            tx.runs._c.change("DELETE FROM search_runs WHERE run = ?", (each,))
    with ledger.read() as tx:
        behind = tx.runs.search("p", msgspec.structs.replace(asked, after=page.next))
        assert [one.run.id for one in behind.items] == ["0a"]
        assert [one.run.id for one in tx.runs.search("p", asked).items] == ["0d", "0a"]


def test_a_search_does_not_see_what_another_one_has_seen_meanwhile(ledger: SqliteLedger) -> None:
    with ledger.write() as tx:
        for each in ("0a", "0b", "0c"):
            tx.runs.add(a_run(each, tags={"progress": "half"}))
    asked = Search(filter=Comparison(PROGRESS, "=", ("half",)), limit=2)
    with ledger.read() as early:
        assert early.runs.count("p") == 3
        with ThreadPoolExecutor(1) as other:
            other.submit(add_and_find, ledger).result()
        page = early.runs.search("p", asked)
        assert [one.run.id for one in page.items] == ["0c", "0b"]
        behind = early.runs.search("p", msgspec.structs.replace(asked, after=page.next))
        assert [one.run.id for one in behind.items] == ["0a"]
    assert found(ledger, "p", "half") == ["0d", "0c", "0b", "0a"]


def add_and_find(ledger: SqliteLedger) -> None:
    with ledger.write() as tx:
        tx.runs.add(a_run("0d", tags={"progress": "half"}))
    assert found(ledger, "p", "half") == ["0d", "0c", "0b", "0a"]


def test_texts_that_sqlite_cuts_at_their_first_nul_are_read_one_by_one() -> None:
    """As versions of before 3.40 do, or some of them."""

    class Cutting(sqlite3.Connection):
        def execute(self, sql: str, *params: Any) -> Any:
            return super().execute(sql.replace("group_concat(text, char(0))", "MIN(text)"), *params)

    with closing(sqlite3.connect(":memory:", factory=Cutting)) as raw:
        key, numbers, texts = (
            SqliteConnection(raw).texts("SELECT 1 AS key, 5 AS number, 'a' AS text UNION SELECT 2, 6, 'b'") or ()
        )
    assert (key, numbers.tolist(), texts) == (2, [5, 6], ["a", "b"])


@pytest.mark.parametrize("long", [1, 32_768])
def test_texts_come_back_as_they_were_written(ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch, long: int) -> None:
    monkeypatch.setattr(search_source, "_MOST_TEXTS", 2)
    monkeypatch.setattr(search_source, "_LONG", long)
    texts = ["", "", "a,b", "\n", "π", "a\0b"]
    with ledger.write() as tx:
        for at, text in enumerate(texts):
            tx.runs.add(a_run(f"0{at}", tags={"progress": text}))
    assert [found(ledger, "p", text) for text in texts[1:]] == [["01", "00"], ["02"], ["03"], ["04"], ["05"]]
