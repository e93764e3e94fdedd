"""What `clew doctor` sees of a ledger in PostgreSQL: damage in a table, an index that is not used, unsafe settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from clew.core.contracts.stores import Stores
from clew.loop.doctor import Level, examine
from clew.store.ledger.postgres import PostgresLedger
from clew.testing.ledger.examples import a_run
from clew.testing.postgres import PostgresServer
from clew.testing.project import open_stores


@pytest.fixture
def url(postgres: PostgresServer, postgres_url: str) -> Iterator[str]:
    """A database with a run, whose files the server has not read yet."""
    ledger = PostgresLedger(postgres_url)
    with ledger.write() as tx:
        tx.runs.add(a_run("0a"))
    ledger.close()
    name = psycopg.conninfo.conninfo_to_dict(postgres_url)["dbname"]
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}_copy TEMPLATE {name} STRATEGY FILE_COPY")
    copied = postgres.url(f"{name}_copy")
    yield copied
    postgres.drop(copied)


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    stores = open_stores(tmp_path / ".clew")
    yield stores
    stores.ledger.close()


def look(stores: Stores, url: str, *, quick: bool = False) -> list[tuple[str, str, str]]:
    """Level, check and text of what is found in the ledger."""
    ledger = PostgresLedger(url)
    found = examine(replace(stores, ledger=ledger), quick=quick, tell=lambda _: None)
    told = [(str(one.level), one.check, one.text) for one in found if one.check in ("ledger", "durability")]
    ledger.close()
    return told


def test_a_sound_database_is_whole_and_one_that_does_not_sync_is_told(stores: Stores, url: str) -> None:
    ledger, durability = look(stores, url)
    assert ledger[:2] == (Level.GOOD, "ledger")
    assert "the ledger is whole, version" in ledger[2]
    assert durability[:2] == (Level.WARNING, "durability")
    assert "fsync and full_page_writes off" in durability[2]


def test_a_damaged_table_and_an_index_that_is_not_used_are_problems(stores: Stores, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as raw:
        [(folder, file)] = raw.execute(
            "SELECT current_setting('data_directory'), pg_relation_filepath('clew.artifacts')"
        ).fetchall()
        raw.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'clew.runs_by_name'::regclass")
    (Path(folder) / file).write_bytes(b"\xff" * 8192)
    problems = [text for level, _, text in look(stores, url) if level == Level.PROBLEM]
    assert problems[0] == "index runs_by_name is not valid"
    assert problems[1].startswith("table artifacts cannot be read: the ledger")
    assert "is damaged: invalid page" in problems[1]
    assert [text for level, _, text in look(stores, url, quick=True) if level == Level.PROBLEM] == problems[:1]
