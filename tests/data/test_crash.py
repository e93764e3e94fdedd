"""Real processes that add: killed at any moment, and two at once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clew.core.hashing import hash_bytes
from clew.data.add_files import add_files
from clew.data.checkout import checkout
from clew.data.site import Site
from clew.data.tree import reader, walk
from clew.testing.project import open_stores

ADDER = """
import os, signal, sys
from pathlib import Path
from clew.core.errors import Conflict
from clew.data.add_files import add_files
from clew.data.checkout import checkout
from clew.data.site import Site
from clew.testing.project import open_stores
verb, project, folder, name, left = sys.argv[1:]
left = int(left)
def count(event, args):
    global left
    if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.chmod"):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
stores = open_stores(Path(project))
site = Site.of(stores)
print("ready", flush=True)
sys.addaudithook(count)
if verb == "add":
    try:
        print(add_files(site, name, Path(folder)).version.reference, flush=True)
    except Conflict:
        print("conflict", flush=True)
else:
    checkout(site, site.datasets.resolve(name), Path(folder), force=True)
    print("done", flush=True)
stores.ledger.close()
"""


def start(verb: str, project: Path, folder: Path, name: str, *, kill_at: int = -1) -> subprocess.Popen[str]:
    """A process that kills itself at its n-th call that opens, renames or removes a file."""
    command = [sys.executable, "-c", ADDER, verb, str(project), str(folder), name, str(kill_at)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def fill(folder: Path, draw: random.Random, files: int) -> dict[str, bytes]:
    content = {f"d{at % 7}/{at}": draw.randbytes(draw.randrange(4000)) for at in range(files)}
    for path, data in content.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return content


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kill_at", [1, 10, 40, 64, 68, 70, 72, 74, 76, 78, 80, 1000])
def test_a_killed_add_leaves_all_or_nothing(tmp_path: Path, kill_at: int) -> None:
    expected = fill(tmp_path / "in", random.Random(kill_at), 60)
    adder = start("add", tmp_path / "project", tmp_path / "in", "raw", kill_at=kill_at)
    said = adder.communicate()[0].strip()
    assert (adder.returncode == -signal.SIGKILL) != bool(said)
    stores = open_stores(tmp_path / "project")
    site = Site.of(stores)
    there = [version.reference for one in site.datasets.list() for version in site.datasets.versions(one.name).items]
    assert there in ([], ["raw@1"])
    assert there == ["raw@1"] or not said
    assert all(hash_bytes(stores.objects.get(digest)) == digest for digest in stores.objects.list())
    added = add_files(site, "raw", tmp_path / "in").version
    assert added.reference == "raw@1"
    assert sum(1 for _ in walk(reader(site.objects), added.digest)) == 67
    checkout(site, added, tmp_path / "out")
    assert contents(tmp_path / "out") == expected
    stores.ledger.close()


@pytest.mark.parametrize("kill_at", [1, 8, 30, 100, 130, 138, 150])
def test_a_killed_checkout_is_finished_by_the_next(tmp_path: Path, kill_at: int) -> None:
    expected = fill(tmp_path / "in", random.Random(kill_at), 60)
    stores = open_stores(tmp_path / "project")
    site = Site.of(stores)
    version = add_files(site, "raw", tmp_path / "in").version
    taker = start("checkout", tmp_path / "project", tmp_path / "out", "raw@1", kill_at=kill_at)
    said = taker.communicate()[0].strip()
    assert (taker.returncode == -signal.SIGKILL) != bool(said)
    checkout(site, version, tmp_path / "out")
    assert contents(tmp_path / "out") == expected
    stores.ledger.close()


def test_two_processes_add_to_one_dataset(tmp_path: Path) -> None:
    open_stores(tmp_path / "project").ledger.close()
    for name in ("one", "two"):
        fill(tmp_path / name, random.Random(name), 50)
    adders = [start("add", tmp_path / "project", tmp_path / name, "raw") for name in ("one", "two")]
    said = sorted(adder.communicate()[0].strip() for adder in adders)
    assert said in (["raw@1", "raw@2"], ["conflict", "raw@1"])
    stores = open_stores(tmp_path / "project")
    numbers = [version.number for version in Site.of(stores).datasets.versions("raw").items]
    assert numbers == list(range(len(numbers), 0, -1))
    assert len(numbers) == sum(one.startswith("raw@") for one in said)
    stores.ledger.close()
