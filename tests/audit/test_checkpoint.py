"""Checkpoints: signed, linked, and kept where they only grow."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clew.audit.checkpoint import Witnesses, add_checkpoint, last_taken_us
from clew.audit.destination import BRANCH, FileDestination, GitDestination, destination_of
from clew.audit.export import export
from clew.audit.seal import seal
from clew.audit.verify import verify
from clew.core.contracts.stores import Stores
from clew.core.errors import Corrupt, Invalid, NotFound
from clew.store.signing import SigningKey, open_key
from clew.testing.clock import ManualClock
from clew.testing.project import open_stores

ROOT = Path(__file__).parents[2]


@pytest.fixture
def stores(tmp_path: Path) -> Any:
    opened = open_stores(tmp_path / "project", clock=ManualClock())
    yield opened
    opened.ledger.close()


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return open_key(tmp_path / "keys" / "signing.pem")


@pytest.fixture
def place(tmp_path: Path) -> FileDestination:
    return FileDestination(tmp_path / "outside" / "checkpoints.jsonl")


def happen(stores: Stores, times: int = 3) -> None:
    for number in range(times):
        with stores.ledger.write() as tx:
            stores.tell(tx, "run.created", f"run:{number}", {"name": f"run {number}"})


def problems(stores: Stores, place: FileDestination | GitDestination, key: str = "") -> list[str]:
    found = verify(stores, witnesses=[Witnesses(place.lines(), stores.project, key)])
    assert found.checkpoints == len(place.lines())
    return [problem.text for problem in found.problems]


def test_a_checkpoint_covers_its_key_and_all_before(stores: Stores, key: SigningKey, place: FileDestination) -> None:
    happen(stores)
    first = add_checkpoint(stores, place, key)
    assert first is not None
    assert (first.size, first.genuine, first.key) == (4, True, key.public)
    assert add_checkpoint(stores, place, key) is None
    happen(stores)
    stores.clock.advance(60_000_000)  # type: ignore[attr-defined]
    second = add_checkpoint(stores, place, key)
    assert second is not None
    assert (second.size, second.at_us - first.at_us) == (7, 60_000_000)
    assert last_taken_us(place) == second.at_us
    assert [json.loads(line)["size"] for line in place.lines()] == [4, 7]
    assert problems(stores, place) == []
    with stores.ledger.read() as tx:
        announced = tx.events.list(stores.project, kind="checkpoint").items
    assert [event.facts for event in announced] == [{"key": key.public, "fingerprint": key.fingerprint}]


def test_what_stands_behind_the_last_one_is_said(stores: Stores, key: SigningKey, place: FileDestination) -> None:
    add_checkpoint(stores, place, key)
    happen(stores, 2)
    seal(stores)
    found = verify(stores, witnesses=[Witnesses(place.lines(), stores.project)])
    assert found.unknown == ["2 events behind the last checkpoint: nothing would show that they were cut off"]


def test_another_key_is_told_apart(stores: Stores, key: SigningKey, place: FileDestination, tmp_path: Path) -> None:
    add_checkpoint(stores, place, key)
    assert problems(stores, place, key.fingerprint) == problems(stores, place, key.public) == []
    stranger = open_key(tmp_path / "stranger.pem")
    assert "signed by another key" in problems(stores, place, stranger.public)[0]
    [line] = place.lines()
    forged = {**json.loads(line), "key": stranger.public}
    del forged["signature"]
    statement = json.dumps(forged, separators=(",", ":")).encode()
    forged["signature"] = stranger.sign("clew.checkpoint/1", statement)
    place.path.write_text(json.dumps(forged, separators=(",", ":")) + "\n")
    [text] = problems(stores, place)
    assert f"signed by another key, {stranger.fingerprint}" in text


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("size", 2, "signature"),
        ("root", "0" * 64, "signature"),
        ("at_us", 1, "signature"),
        ("signature", "00" * 64, "signature"),
        ("key", "zz", "signature"),
        ("format", "clew.checkpoint/2", "cannot be read"),
    ],
)
def test_an_edited_checkpoint_is_found(
    stores: Stores, key: SigningKey, place: FileDestination, field: str, value: object, said: str
) -> None:
    happen(stores)
    add_checkpoint(stores, place, key)
    changed = {**json.loads(place.lines()[0]), field: value}
    place.path.write_text(json.dumps(changed, separators=(",", ":")) + "\n")
    [text] = problems(stores, place)
    assert said in text


def test_a_missing_checkpoint_is_found(stores: Stores, key: SigningKey, place: FileDestination) -> None:
    for _ in range(3):
        happen(stores)
        add_checkpoint(stores, place, key)
    lines = place.lines()
    place.path.write_text("".join(f"{line}\n" for line in (lines[0], lines[2])))
    [text] = problems(stores, place)
    assert text.startswith("checkpoint 2 of ")
    assert "does not follow" in text


def test_checkpoints_of_another_project_do_not_count(
    stores: Stores, key: SigningKey, place: FileDestination, tmp_path: Path
) -> None:
    add_checkpoint(stores, place, key)
    other = replace(stores, project="q")
    with pytest.raises(Corrupt, match="no checkpoint of this project"):
        add_checkpoint(other, place, key)
    assert "of another project" in problems(other, place)[0]


def test_a_chain_that_became_shorter_gets_no_checkpoint(
    stores: Stores, key: SigningKey, place: FileDestination, tmp_path: Path
) -> None:
    happen(stores, 5)
    add_checkpoint(stores, place, key)
    shorter = open_stores(tmp_path / "other")
    with pytest.raises(Corrupt, match="speaks of 6 events, and the chain has 1"):
        add_checkpoint(shorter, place, key)
    assert "the end was cut off" in problems(shorter, place)[0]
    shorter.ledger.close()


def test_a_torn_line_is_refused(stores: Stores, key: SigningKey, place: FileDestination) -> None:
    add_checkpoint(stores, place, key)
    place.path.write_text(place.path.read_text() + '{"format"')
    with pytest.raises(Corrupt, match="cut off"):
        add_checkpoint(stores, place, key)


@pytest.mark.parametrize("bare", [False, True])
def test_a_repository_gets_a_commit_and_nothing_else(
    stores: Stores, key: SigningKey, tmp_path: Path, bare: bool
) -> None:
    repository = tmp_path / "records"
    git = ["git", "-C", str(repository)]
    subprocess.run(["git", "init", "-q", *(["--bare"] if bare else []), str(repository)], check=True)
    if not bare:
        (repository / "draft.txt").write_text("mine")
        subprocess.run([*git, "add", "draft.txt"], check=True)
    before = subprocess.run([*git, "status", "--porcelain"], capture_output=True, check=False).stdout
    place = destination_of("git:records", base=tmp_path, project=stores.project)
    assert isinstance(place, GitDestination)
    for _ in range(2):
        happen(stores)
        assert add_checkpoint(stores, place, key) is not None
    assert add_checkpoint(stores, place, key) is None
    log = subprocess.run([*git, "log", "--format=%s", BRANCH], capture_output=True, text=True, check=True).stdout
    assert log.splitlines() == ["Checkpoint of 7 events", "Checkpoint of 4 events"]
    assert subprocess.run([*git, "status", "--porcelain"], capture_output=True, check=False).stdout == before
    assert problems(stores, place) == []


def test_a_place_that_is_none_is_refused(stores: Stores, key: SigningKey, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="no place"):
        destination_of("git:", base=tmp_path, project="p")
    with pytest.raises(NotFound, match="git repository"):
        add_checkpoint(stores, destination_of("git:/nowhere/at-all", base=tmp_path, project="p"), key)


def script() -> str:
    page = (ROOT / "docs" / "how-to" / "audit.md").read_text(encoding="utf-8")
    found = re.search(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def check(program: Path, *files: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, program, *files], capture_output=True, text=True, check=False)


def test_an_outsider_can_check_the_chain(lived: Any, tmp_path: Path) -> None:
    from clew.store.ledger.sqlite import SqliteLedger

    program, events = tmp_path / "check.py", tmp_path / "events.jsonl"
    program.write_text(script())
    opened = SqliteLedger(Path(shutil.copy(lived.ledger, tmp_path)))
    with events.open("wb") as file:
        count = export(replace(lived.stores, ledger=opened), file.write)
    opened.close()
    done = check(program, events, lived.checkpoints)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{count} events, root ")
    assert f"checkpoint of {count} events holds" in done.stdout
    lines = events.read_text().splitlines(keepends=True)
    for edited in (lines[:4] + lines[5:], [*lines[:4], lines[4].replace("run", "ran"), *lines[5:]], lines[:-1]):
        events.write_text("".join(edited))
        assert check(program, events, lived.checkpoints).returncode != 0
