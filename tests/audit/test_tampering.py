"""Whoever edits the ledger by hand is found, and what was edited is named."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from clew.audit.checkpoint import Witnesses
from clew.audit.problem import Problem, Verification
from clew.audit.verify import verify
from clew.core.types.event import START, chain_hash
from clew.store.ledger.sqlite import SqliteLedger

TIMES = 8


@dataclass
class Crime:
    """What was done: the sequence number, or a part of the row's name, that a problem must give."""

    position: int = 0
    row: str = ""

    def is_named_by(self, problem: Problem) -> bool:
        if self.row:
            return self.row in f"{problem.row} {problem.text}"
        return problem.position == self.position


class Scene:
    """A copy of the ledger, open to anybody with an editor."""

    def __init__(self, path: Path, seed: int) -> None:
        self.raw = sqlite3.connect(path, isolation_level=None)
        self.random = random.Random(seed)

    def run(self, sql: str, *params: object) -> list[tuple[object, ...]]:
        return self.raw.execute(sql, params).fetchall()

    def size(self) -> int:
        return self.raw.execute("SELECT MAX(position) FROM events").fetchone()[0]

    def any_position(self, *, but_last: int = 0) -> int:
        return self.random.randint(1, self.size() - but_last)

    def any_row(self, table: str, where: str = "1 = 1") -> int:
        return self.random.choice(self.run(f"SELECT rowid FROM {table} WHERE {where}"))[0]  # type: ignore[return-value]

    def shift(self, first: int, by: int) -> None:
        """Number everything from a position on anew."""
        order = "DESC" if by > 0 else "ASC"
        for (position,) in self.run(
            f"SELECT position FROM events WHERE position >= ? ORDER BY position {order}", first
        ):
            self.run("UPDATE events SET position = ? WHERE position = ?", position + by, position)  # type: ignore[operator]

    def trim(self) -> None:
        """Let the tail say what the chain says now."""
        last = self.run("SELECT position, hash FROM events WHERE position > 0 ORDER BY position DESC LIMIT 1")[0]
        self.run("UPDATE chain_tails SET position = ?, hash = ?", *last)

    def rehash(self, first: int) -> None:
        """Make everything from a position on fit again, as somebody would who knows how."""
        found = self.run("SELECT hash FROM events WHERE position = ?", first - 1)
        previous = str(found[0][0]) if found else START
        for position, document in self.run(
            "SELECT position, document FROM events WHERE position >= ? ORDER BY position", first
        ):
            previous = chain_hash(int(str(position)), previous, str(document))
            self.run("UPDATE events SET hash = ? WHERE position = ?", previous, position)
        self.trim()


def other(scene: Scene, value: object) -> object:
    """A value that is not this one, of the same sort."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + scene.random.choice([1, -1, 1000])
    if isinstance(value, str):
        return value[:-1] + ("x" if value[-1:] != "x" else "y")
    return "something else"


def edited(scene: Scene, document: str) -> str:
    """A document with one field changed, at any depth."""
    root = json.loads(document)
    owner = root
    while True:
        key = scene.random.choice(list(owner) if isinstance(owner, dict) else list(range(len(owner))))
        if not (isinstance(owner[key], dict | list) and owner[key]):
            break
        owner = owner[key]
    owner[key] = other(scene, owner[key])
    return json.dumps(root, separators=(",", ":"), ensure_ascii=False)


def edit_an_event(scene: Scene) -> Crime:
    position = scene.any_position()
    document = str(scene.run("SELECT document FROM events WHERE position = ?", position)[0][0])
    scene.run("UPDATE events SET document = ? WHERE position = ?", edited(scene, document), position)
    return Crime(position)


def garble_an_event(scene: Scene) -> Crime:
    position = scene.any_position()
    scene.run(
        "UPDATE events SET document = ? WHERE position = ?", scene.random.choice(["", "{", "[1]", b"\xff"]), position
    )
    return Crime(position)


def edit_a_hash(scene: Scene) -> Crime:
    position = scene.any_position()
    found = str(scene.run("SELECT hash FROM events WHERE position = ?", position)[0][0])
    scene.run("UPDATE events SET hash = ? WHERE position = ?", other(scene, found), position)
    return Crime(position)


def edit_an_event_and_its_hash(scene: Scene) -> Crime:
    position = scene.any_position(but_last=1)
    document, previous = scene.run(
        "SELECT document, (SELECT hash FROM events WHERE position = ?) FROM events WHERE position = ?",
        position - 1,
        position,
    )[0]
    document = edited(scene, str(document))
    again = chain_hash(position, str(previous or START), document)
    scene.run("UPDATE events SET document = ?, hash = ? WHERE position = ?", document, again, position)
    return Crime(row=f"event {position} was changed and hashed anew")


def edit_a_column(scene: Scene) -> Crime:
    position, column = scene.any_position(), scene.random.choice(["id", "kind", "subject", "project"])
    found = str(scene.run(f"SELECT {column} FROM events WHERE position = ?", position)[0][0])
    scene.run(f"UPDATE events SET {column} = ? WHERE position = ?", other(scene, found), position)
    return Crime(position)


def move_an_event(scene: Scene) -> Crime:
    position = scene.any_position()
    new = scene.random.choice([None, 0, -5, scene.size() + 1, scene.size() + 1_000_000])
    scene.run("UPDATE events SET position = ? WHERE position = ?", new, position)
    return Crime(position)


def delete_an_event(scene: Scene) -> Crime:
    position = scene.any_position()
    scene.run("DELETE FROM events WHERE position = ?", position)
    return Crime(position)


def delete_an_event_and_number_anew(scene: Scene) -> Crime:
    position = scene.any_position(but_last=2)
    scene.run("DELETE FROM events WHERE position = ?", position)
    scene.shift(position + 1, -1)
    scene.trim()
    return Crime(position)


def insert_an_event(scene: Scene) -> Crime:
    position = scene.any_position(but_last=2)
    scene.shift(position, 1)
    document = str(scene.run("SELECT document FROM events WHERE position = ?", position + 1)[0][0])
    document = edited(scene, document)
    previous = scene.run("SELECT hash FROM events WHERE position = ?", position - 1)
    linked = chain_hash(position, str(previous[0][0]) if previous else START, document)
    scene.run(
        "INSERT INTO events (id, project, kind, subject, document, position, hash) "
        "SELECT 'forged', project, kind, subject, ?, ?, ? FROM events WHERE position = ?",
        document,
        position,
        scene.random.choice([linked, "0" * 64]),
        position + 1,
    )
    scene.trim()
    return Crime(position)


def repeat_an_event(scene: Scene) -> Crime:
    position, end = scene.any_position(), scene.size() + 1
    scene.run(
        "INSERT INTO events (id, project, kind, subject, document, position, hash) "
        "SELECT 'again', project, kind, subject, document, ?, hash FROM events WHERE position = ?",
        end,
        position,
    )
    return Crime(end)


def swap_two_events(scene: Scene) -> Crime:
    one, two = scene.random.sample(range(1, scene.size() + 1), 2)
    for old, new in ((one, -1), (two, one), (-1, two)):
        scene.run("UPDATE events SET position = ? WHERE position = ?", new, old)
    return Crime(scene.random.choice([one, two]))


def swap_two_documents(scene: Scene) -> Crime:
    one, two = scene.random.sample(range(1, scene.size() + 1), 2)
    (first,), (second,) = (scene.run("SELECT document FROM events WHERE position = ?", each)[0] for each in (one, two))
    scene.run("UPDATE events SET document = ? WHERE position = ?", second, one)
    scene.run("UPDATE events SET document = ? WHERE position = ?", first, two)
    return Crime(scene.random.choice([one, two]))


def cut_off_the_end(scene: Scene) -> Crime:
    """Found by the checkpoint alone: the tail is as it should be."""
    size = scene.size()
    scene.run("DELETE FROM events WHERE position > ?", size - scene.random.randint(1, size - 1))
    scene.trim()
    return Crime(size)


def cut_off_the_end_and_forget_the_tail(scene: Scene) -> Crime:
    first = scene.any_position()
    scene.run("DELETE FROM events WHERE position >= ?", first)
    return Crime(first)


def hash_everything_anew(scene: Scene) -> Crime:
    """Found by the checkpoint alone: every hash fits."""
    position = scene.any_position()
    document = json.loads(str(scene.run("SELECT document FROM events WHERE position = ?", position)[0][0]))
    document["actor"] = "mallory"
    scene.run("UPDATE events SET document = ? WHERE position = ?", json.dumps(document), position)
    scene.rehash(position)
    return Crime(scene.size())


def edit_the_tail(scene: Scene) -> Crime:
    scene.run(
        scene.random.choice(
            [
                "UPDATE chain_tails SET hash = 'x'",
                "UPDATE chain_tails SET position = position - 1",
                "UPDATE chain_tails SET position = position + 1",
                "DELETE FROM chain_tails",
            ]
        )
    )
    return Crime(row="the end of the chain")


CLAIMED = {
    "alias_moves": "move {position} of ",
    "model_versions": "model:{id}",
    "dataset_versions": "data:{id}",
    "log_batches": "batch:{dataset}/{position}",
    "runs": "run:{id}",
    "artifacts": "artifacts of run:{run}",
    "endpoints": "endpoint:{id}",
}
"""What verification calls a row, by table."""


def name_of(scene: Scene, table: str, rowid: int) -> str:
    cursor = scene.raw.execute(f"SELECT * FROM {table} WHERE rowid = ?", (rowid,))
    return CLAIMED[table].format(
        **dict(zip([column[0] for column in cursor.description], cursor.fetchone(), strict=True))
    )


def edit_a_row(scene: Scene) -> Crime:
    table = scene.random.choice(list(CLAIMED))
    rowid = scene.any_row(table)
    name = name_of(scene, table, rowid)
    document = str(scene.run(f"SELECT document FROM {table} WHERE rowid = ?", rowid)[0][0])
    scene.run(f"UPDATE {table} SET document = ? WHERE rowid = ?", edited(scene, document), rowid)
    return Crime(row=name)


def delete_a_row(scene: Scene) -> Crime:
    table = scene.random.choice(list(CLAIMED))
    rowid = scene.any_row(table)
    name = name_of(scene, table, rowid)
    scene.run(f"DELETE FROM {table} WHERE rowid = ?", rowid)
    return Crime(row=name)


def edit_a_batch(scene: Scene) -> Crime:
    rowid = scene.any_row("log_batches")
    name = name_of(scene, "log_batches", rowid)
    document = str(scene.run("SELECT document FROM log_batches WHERE rowid = ?", rowid)[0][0])
    scene.run("UPDATE log_batches SET document = ? WHERE rowid = ?", edited(scene, document), rowid)
    return Crime(row=name)


def edit_what_a_row_is_found_by(scene: Scene) -> Crime:
    table, columns = scene.random.choice(
        [
            ("log_batches", ["rows", "time_low_us", "time_high_us", "id_low", "id_high", "source"]),
            ("dataset_versions", ["created_us"]),
            ("model_versions", ["run"]),
            ("runs", ["name", "status", "experiment"]),
            ("endpoints", ["name"]),
        ]
    )
    rowid, column = scene.any_row(table), scene.random.choice(columns)
    found = scene.run(f"SELECT {column} FROM {table} WHERE rowid = ?", rowid)[0][0]
    scene.run(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", other(scene, found), rowid)
    return Crime(row=f"{table} ")


def add_a_move(scene: Scene, *, behind: int = 1) -> Crime:
    model, alias, position, document = scene.run(
        "SELECT model, alias, position, document FROM alias_moves ORDER BY position DESC LIMIT 1"
    )[0]
    new = {**json.loads(str(document)), "position": int(str(position)) + behind, "number": 3}
    scene.run("INSERT INTO alias_moves VALUES (?, ?, ?, ?)", model, alias, new["position"], json.dumps(new))
    return Crime(row=f"move {new['position']} of delay@champion")


def add_a_batch(scene: Scene) -> Crime:
    rowid = scene.any_row("log_batches")
    (dataset, document), columns = (
        scene.run("SELECT dataset, document FROM log_batches WHERE rowid = ?", rowid)[0],
        ("source_end, rows, time_low_us, time_high_us, id_low, id_high"),
    )
    last = scene.run("SELECT MAX(position) FROM log_batches WHERE dataset = ?", dataset)[0][0]
    position = scene.random.choice([int(str(last)) + 1, 0])
    new = {**json.loads(str(document)), "position": position, "source": "forged@0"}
    scene.run(
        f"INSERT INTO log_batches (dataset, position, source, document, {columns}) "
        f"SELECT dataset, ?, 'forged@0', ?, {columns} FROM log_batches WHERE rowid = ?",
        position,
        json.dumps(new),
        rowid,
    )
    return Crime(row=f"batch {position} of ")


def edit_a_metric(scene: Scene) -> Crime:
    table = scene.random.choice(["series_blocks", "series"])
    rowid = scene.any_row(table)
    run, key = scene.run(f"SELECT run, key FROM {table} WHERE rowid = ?", rowid)[0]
    column = scene.random.choice(["last", "low", "count", "total", *(["points"] if table == "series_blocks" else [])])
    found = scene.run(f"SELECT {column} FROM {table} WHERE rowid = ?", rowid)[0][0]
    changed = found[:-1] + bytes([found[-1] ^ 1]) if isinstance(found, bytes) else other(scene, found)
    scene.run(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", changed, rowid)
    return Crime(row=f"series {key} of run:{run}")


def delete_a_metric(scene: Scene) -> Crime:
    rowid = scene.any_row("series_blocks")
    run, key = scene.run("SELECT run, key FROM series_blocks WHERE rowid = ?", rowid)[0]
    scene.run("DELETE FROM series_blocks WHERE rowid = ?", rowid)
    if scene.random.random() < 0.5:
        scene.run("DELETE FROM series WHERE run = ? AND key = ?", run, key)
    return Crime(row=f"series {key} of run:{run}")


CRIMES: list[Callable[[Scene], Crime]] = [
    edit_an_event,
    garble_an_event,
    edit_a_hash,
    edit_an_event_and_its_hash,
    edit_a_column,
    move_an_event,
    delete_an_event,
    delete_an_event_and_number_anew,
    insert_an_event,
    repeat_an_event,
    swap_two_events,
    swap_two_documents,
    cut_off_the_end,
    cut_off_the_end_and_forget_the_tail,
    hash_everything_anew,
    edit_the_tail,
    edit_a_row,
    edit_a_row,
    delete_a_row,
    edit_a_batch,
    edit_what_a_row_is_found_by,
    add_a_move,
    add_a_batch,
    edit_a_metric,
    delete_a_metric,
]


def look_at(lived: Any, ledger: Path) -> Verification:
    opened = SqliteLedger(ledger)
    try:
        stores = replace(lived.stores, ledger=opened)
        lines = lived.checkpoints.read_text().splitlines()
        return verify(stores, witnesses=[Witnesses(lines, stores.project)])
    finally:
        opened.close()


def test_the_copy_is_sound_before_anybody_touches_it(lived: Any, tmp_path: Path) -> None:
    found = look_at(lived, Path(shutil.copy(lived.ledger, tmp_path)))
    assert found.holds, found.problems
    assert (found.unknown, found.waiting) == ([], 0)
    assert found.size > 30


def test_there_are_two_hundred() -> None:
    assert len(CRIMES) * TIMES >= 200


def test_a_row_that_is_numbered_far_beyond_the_last_one_does_not_fill_the_memory(lived: Any, tmp_path: Path) -> None:
    ledger = Path(shutil.copy(lived.ledger, tmp_path))
    scene = Scene(ledger, 0)
    last = int(str(scene.run("SELECT MAX(position) FROM alias_moves")[0][0]))
    add_a_move(scene, behind=10**15)
    scene.raw.close()
    found = look_at(lived, ledger)
    assert found.problem_count == 1000
    assert found.problems[0].text == f"no event tells of move {last + 1} of delay@champion"


@pytest.mark.parametrize("number", range(len(CRIMES)), ids=[crime.__name__ for crime in CRIMES])
def test_tampering_is_found_and_named(lived: Any, tmp_path: Path, number: int) -> None:
    for time in range(TIMES):
        ledger = Path(shutil.copy(lived.ledger, tmp_path / "ledger.db"))
        scene = Scene(ledger, number * 1000 + time)
        crime = CRIMES[number](scene)
        scene.raw.close()
        found = look_at(lived, ledger)
        assert not found.holds
        assert any(crime.is_named_by(problem) for problem in found.problems), (time, crime, found.problems)
