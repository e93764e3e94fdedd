"""A ledger of any earlier version becomes one of this version, with what is in it, on both databases."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import msgspec
import psycopg
import pytest

from clew.core.contracts.ledger import Ledger
from clew.core.errors import Invalid
from clew.core.types.event import Event
from clew.core.types.logged_model import LoggedMetric
from clew.core.types.run import Run
from clew.loop.doctor.recover import salvage
from clew.store.ledger.postgres import PostgresLedger
from clew.store.ledger.sql.connection import Document
from clew.store.ledger.sql.migrate import migrations, pending
from clew.store.ledger.sqlite import SqliteLedger
from clew.testing.ledger.examples import a_run, an_event
from clew.testing.postgres import PostgresServer

NEWEST = max(migrations())
Open = Callable[[], Ledger]
RUN = a_run("0a")
EVENT = an_event("e1")
ROWS = [
    ("projects", ("id", "name", "document"), ("p", "flights", '{"id":"p","name":"flights","created_us":1}')),
    (
        "runs",
        ("id", "project", "experiment", "name", "status", "parent", "document"),
        (RUN.id, "p", "e", RUN.name, "running", "", Document(Run).text(RUN)),
    ),
    (
        "events",
        ("id", "project", "kind", "subject", "document"),
        (EVENT.id, "p", EVENT.kind, EVENT.subject, Document(Event).text(EVENT)),
    ),
]
"""Rows of tables and columns that there have been from the beginning."""


def up_to(number: int) -> Callable[..., dict[int, list[str]]]:
    """`pending`, of a clew that knew migrations up to a number."""

    def known(version: int, **options: object) -> dict[int, list[str]]:
        return pending(version, read=lambda: {n: t for n, t in migrations().items() if n <= number}, **options)  # type: ignore[arg-type]

    return known


@pytest.fixture
def empty_database(postgres: PostgresServer) -> Iterator[str]:
    url = postgres.make(bare=True)
    yield url
    postgres.drop(url)


def insert(change: Callable[[str, tuple[str, ...]], object], mark: str, schema: str = "") -> None:
    for table, columns, values in ROWS:
        marks = ", ".join([mark] * len(values))
        change(f"INSERT INTO {schema}{table} ({', '.join(columns)}) VALUES ({marks})", values)


def check(ledger: Ledger) -> None:
    with ledger.read() as tx:
        assert [project.name for project in tx.projects.list()] == ["flights"]
        assert tx.runs.get("0a") == RUN
        assert tx.events.list("p").items == [EVENT]
    with ledger.write() as tx:
        tx.events.add(an_event("e2"))
        tx.runs.add(a_run("0b"))
    ledger.close()


@pytest.mark.parametrize("number", [number for number in migrations() if number < NEWEST])
def test_sqlite_from_every_earlier_version(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as older:
        older.setattr("clew.store.ledger.sqlite.pending", up_to(number))
        SqliteLedger(tmp_path / "l").close()
    raw = sqlite3.connect(tmp_path / "l", isolation_level=None)
    assert raw.execute("PRAGMA user_version").fetchone() == (number,)
    insert(raw.execute, "?")
    raw.close()
    check(SqliteLedger(tmp_path / "l"))
    SqliteLedger(tmp_path / "fresh").close()
    assert described(tmp_path / "l") == described(tmp_path / "fresh")


def described(path: Path) -> list[object]:
    raw = sqlite3.connect(path)
    tables = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    found: list[object] = [(name, raw.execute(f"PRAGMA table_info({name})").fetchall()) for name in tables]
    found += raw.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' ORDER BY name").fetchall()
    return [*found, raw.execute("PRAGMA user_version").fetchone()]


@pytest.mark.parametrize("number", [number for number in migrations() if number < NEWEST])
def test_postgresql_from_every_earlier_version(
    number: int, empty_database: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr("clew.store.ledger.postgres.ledger.pending", up_to(number))
        PostgresLedger(empty_database).close()
    with psycopg.connect(empty_database, autocommit=True) as raw:
        assert raw.execute("SELECT version FROM clew.ledger_version").fetchall() == [(number,)]
        insert(raw.execute, "%s", "clew.")  # type: ignore[arg-type]
    check(PostgresLedger(empty_database))
    assert shape(empty_database) == shape(postgres_url)


def shape(url: str) -> list[object]:
    with psycopg.connect(url) as raw:
        columns = raw.execute(
            "SELECT table_name, column_name, data_type, is_nullable, collation_name, is_identity "
            "FROM information_schema.columns WHERE table_schema = 'clew' ORDER BY 1, 2"
        ).fetchall()
        indexes = raw.execute("SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'clew' ORDER BY 1, 2")
        return [*columns, *indexes.fetchall()]


LOGGED = '{"id":"m-%d","project":"p","experiment":"e","name":"ä","status":"ready","created_us":1,"tags":{"k":"v"}%s}'
MEASURED = (
    ',"metrics":[{"key":"acc","value":0.5,"step":1,"time_us":10,"run":"r"},'
    '{"key":"acc","value":"nan","step":2,"time_us":10,"run":"r","dataset":"iris","digest":"d"},'
    '{"key":"acc","value":1,"step":0,"time_us":9,"run":"r"}]'
)


NO_TEXT = LOGGED % (4, '{"key":"acc","value":1,"step":0,"time_us":9,"run":"r","dataset":"a\\u0000b"}')


def insert_logged(change: Callable[[str, tuple[str, ...]], object], mark: str, schema: str = "") -> None:
    sql = f"INSERT INTO {schema}logged_models (id, project, experiment, run, name, document) VALUES "
    for number, document in ((1, LOGGED % (1, MEASURED)), (2, LOGGED % (2, "")), (3, "no document"), (4, NO_TEXT)):
        change(f"{sql}({', '.join([mark] * 6)})", (f"m-{number}", "p", "e", "", "ä", document))


def make_logged(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger of before, in a file."""
    with monkeypatch.context() as older:
        older.setattr("clew.store.ledger.sqlite.pending", up_to(8))
        SqliteLedger(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        insert_logged(raw.execute, "?")


def check_logged(ledger: Ledger) -> None:
    """What was measured has rows, and is in no document any more; a document that cannot be read stays as it is."""
    one = LoggedMetric(model="m-1", key="acc", value=1.0, step=0, time_us=9, run="r")
    with ledger.read() as tx:
        found = tx.logged_models.metrics(["m-1", "m-2", "m-3", "m-4"])
        model = tx.logged_models.get("m-1")
        documents = dict(tx.logged_models._c.rows("SELECT id, document FROM logged_models"))  # type: ignore[attr-defined]
    assert str(found) == str(
        [
            one,
            msgspec.structs.replace(one, value=0.5, step=1, time_us=10),
            msgspec.structs.replace(one, value=math.nan, step=2, time_us=10, dataset="iris", digest="d"),
        ]
    )
    assert (model.name, model.tags) == ("ä", {"k": "v"})
    assert documents == {"m-1": LOGGED % (1, ""), "m-2": LOGGED % (2, ""), "m-3": "no document", "m-4": NO_TEXT}
    ledger.close()


def test_what_was_measured_of_logged_models_moves_to_rows_of_its_own_in_sqlite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_logged(tmp_path / "l", monkeypatch)
    check_logged(SqliteLedger(tmp_path / "l"))


def test_what_was_measured_of_logged_models_moves_to_rows_of_its_own_in_postgresql(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr("clew.store.ledger.postgres.ledger.pending", up_to(8))
        PostgresLedger(empty_database).close()
    with psycopg.connect(empty_database, autocommit=True) as raw:
        insert_logged(raw.execute, "%s", "clew.")  # type: ignore[arg-type]
    check_logged(PostgresLedger(empty_database))


def test_what_was_measured_of_logged_models_is_salvaged_from_a_ledger_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_logged(tmp_path / "old", monkeypatch)
    SqliteLedger(tmp_path / "new").close()
    assert salvage(tmp_path / "old", tmp_path / "new") >= 3
    check_logged(SqliteLedger(tmp_path / "new"))


def test_texts_have_one_order_on_every_server(postgres_url: str) -> None:
    texts = [row for row in shape(postgres_url) if isinstance(row, tuple) and row[2:3] == ("text",)]
    assert len(texts) > 50
    assert {row[4] for row in texts} == {"C"}


def test_a_newer_ledger_is_refused_and_left_alone(empty_database: str) -> None:
    PostgresLedger(empty_database).close()
    before = shape(empty_database)
    with psycopg.connect(empty_database, autocommit=True) as raw:
        raw.execute("UPDATE clew.ledger_version SET version = %s", (NEWEST + 1,))
    with pytest.raises(Invalid, match="install a newer clew"):
        PostgresLedger(empty_database)
    assert shape(empty_database) == before


def test_several_that_open_a_new_database_at_once_make_one_ledger(empty_database: str) -> None:
    with ThreadPoolExecutor(5) as pool:
        for ledger in pool.map(PostgresLedger, [empty_database] * 5):
            ledger.close()
    with psycopg.connect(empty_database) as raw:
        assert raw.execute("SELECT version FROM clew.ledger_version").fetchall() == [(NEWEST,)]


def test_a_migration_that_fails_leaves_nothing_behind(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        found = {1: ["CREATE TABLE a (id BIGINT)"], 2: ["CREATE TABLE a (id BIGINT)"]}
        broken.setattr("clew.store.ledger.postgres.ledger.pending", lambda version, **_: found)
        with pytest.raises(psycopg.errors.DuplicateTable):
            PostgresLedger(empty_database)
    assert shape(empty_database) == []
    PostgresLedger(empty_database).close()


def test_other_schemas_are_left_alone(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as raw:
        raw.execute("CREATE TABLE runs (mine TEXT)")
        ledger = PostgresLedger(empty_database)
        with ledger.write() as tx:
            tx.runs.add(a_run("0a"))
        ledger.close()
        assert raw.execute("SELECT COUNT(*) FROM public.runs").fetchall() == [(0,)]
