"""What `clew doctor` finds in projects that were harmed, and what it mends."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clew.cli.main import main
from clew.core.errors import Corrupt, NotFound
from clew.core.ids import Digest
from clew.store.objects.local import LocalObjects


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with tables and files, to be copied."""
    from clew.workspace import Workspace, init_project

    folder = tmp_path_factory.mktemp("made") / "project"
    init_project(folder)
    (photos := folder / "photos" / "deep").mkdir(parents=True)
    for number in range(20):
        (photos / f"{number}.txt").write_text(str(number) * 100, encoding="utf-8")
    (photos / "large.bin").write_bytes(os.urandom(300_000))
    with Workspace(folder) as workspace:
        workspace.data.add("photos", folder / "photos")
        for hour in (5, 6):
            (folder / "t.csv").write_text(f"id,hour\n1,{hour}\n2,7\n", encoding="utf-8")
            workspace.data.add("flights", folder / "t.csv")
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = Path(shutil.copytree(made, tmp_path / "project"))
    monkeypatch.chdir(copy)
    monkeypatch.setenv("CLEW_DEBUG", "1")
    return copy


def look(capfd: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """The exit code, and the findings by check."""
    capfd.readouterr()
    code = main(["doctor", "--json", *options])
    out, err = capfd.readouterr()
    assert "Traceback" not in err
    found: dict[str, list[dict[str, Any]]] = {}
    for finding in json.loads(out)["items"]:
        found.setdefault(finding["check"], []).append(finding)
    return code, found


def stored(place: Path) -> list[Path]:
    return [path for path in (place / ".clew" / "objects").rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_a_whole_project_is_good(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for options in ((), ("--quick",), ("--fix",)):
        code, found = look(capfd, *options)
        assert code == 0
        assert {finding["level"] for each in found.values() for finding in each} <= {"good", "warning"}
        assert set(found) == {
            *("versions", "settings", "permissions", "room", "ledger", "objects", "needs", "journals", "clock", "names")
        }
    assert main(["doctor"]) == 0
    assert "the ledger is whole" in capfd.readouterr().out


def test_outside_of_a_project_there_is_nothing_to_look_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["doctor"]) == 3
    assert "clew init" in capfd.readouterr().err


def test_damage_is_named_with_what_it_is_needed_for(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    large = max(stored(place), key=lambda path: path.stat().st_size)
    large.chmod(0o600)
    data = bytearray(large.read_bytes())
    data[len(data) // 2] ^= 1
    large.write_bytes(data)
    code, found = look(capfd)
    assert code == 1
    assert [finding["level"] for finding in found["objects"]] == ["problem"]
    assert "deep/large.bin of photos@1" in found["needs"][0]["text"]
    assert "restore it from a backup" in found["needs"][0]["hint"]


def test_a_lost_object_is_named_with_what_it_is_needed_for(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    max(stored(place), key=lambda path: path.stat().st_size).unlink()
    for options in ((), ("--quick",)):
        code, found = look(capfd, *options)
        assert (code, found["objects"][0]["level"]) == (1, "good")
        assert "needed for photos@1" in found["needs"][0]["text"]


def test_settings_that_cannot_be_used_do_not_hide_the_rest(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (place / "clew.toml").write_text("[projct]\n", encoding="utf-8")
    code, found = look(capfd)
    assert code == 1
    assert "projct" in found["settings"][0]["text"]
    assert found["ledger"][0]["level"] == "good"


@pytest.mark.parametrize("harm", ["gone", "garbage", "flipped", "cut"])
def test_a_lost_ledger_is_made_anew_from_the_objects(place: Path, capfd: pytest.CaptureFixture[str], harm: str) -> None:
    ledger = place / ".clew" / "ledger.db"
    content = bytearray(ledger.read_bytes())
    if harm == "gone":
        ledger.unlink()
    elif harm == "garbage":
        ledger.write_bytes(b"garbage" * 1000)
    elif harm == "flipped":
        content[4096 : 3 * 4096] = os.urandom(2 * 4096)
        ledger.write_bytes(content)
    else:
        ledger.write_bytes(content[: len(content) // 3])
    if harm != "flipped":  # a page that no query touches is found by the look alone
        assert main(["data", "list"]) == 6
        assert "clew doctor" in capfd.readouterr().err or harm != "gone"
    code, found = look(capfd)
    assert (code, found["ledger"][0]["level"]) == (1, "problem")
    assert "clew doctor --fix" in found["ledger"][0]["hint"]
    code, found = look(capfd, "--fix")
    assert (code, found["ledger"][0]["fixed"]) == (0, True)
    assert main(["data", "list", "--json"]) == 0
    rows = json.loads(capfd.readouterr().out)["items"]
    assert {row["kind"] for row in rows} == {"files", "table"}
    if harm in ("gone", "garbage"):
        assert sorted((row["kind"], row["rows"]) for row in rows) == [("files", 21), ("table", 2), ("table", 2)]
    files = next(row["newest"] for row in rows if row["kind"] == "files")
    assert main(["data", "checkout", files, "out"]) == 0
    assert (place / "out/deep/large.bin").read_bytes() == (place / "photos/deep/large.bin").read_bytes()
    kept = [path for path in (place / ".clew").glob("ledger.db.damaged-*") if path.name[-4:] not in ("-wal", "-shm")]
    assert len(kept) == (harm != "gone")


def test_a_ledger_of_a_newer_clew_is_no_reason_to_make_one(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import sqlite3

    with sqlite3.connect(place / ".clew/ledger.db") as ledger:
        ledger.execute("PRAGMA user_version = 9999")
    code, found = look(capfd, "--fix")
    assert (code, found["ledger"][0]["hint"]) == (1, "install a newer clew")
    assert not list((place / ".clew").glob("*.damaged-*"))


def test_a_clock_that_was_ahead_is_told(
    place: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    from clew.workspace import open_workspace

    with open_workspace(place) as workspace:
        newest_us = workspace.services.events.list(limit=1).items[0].at_us
    monkeypatch.setattr(time, "time_ns", lambda: (newest_us - 86_400_000_000) * 1000)
    code, found = look(capfd)
    assert (code, found["clock"][0]["level"]) == (0, "warning")
    assert "24.0 hours in the future" in found["clock"][0]["text"]


def test_a_project_of_somebody_else_is_told(made: Path) -> None:
    import subprocess
    import tempfile

    if os.getuid() != 0:
        pytest.skip("only root may become somebody else")
    top = Path(tempfile.mkdtemp())  # not below the folder of pytest, which shuts it for others
    top.chmod(0o755)
    place = Path(shutil.copytree(made, top / "project"))
    for path in (place, place / ".clew", *(place / ".clew").rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    # called once before: what it imports may lie where only this user may read
    code = "import os, sys; from clew.cli.main import main; main({0}); print('then', flush=True)"
    code += "; os.setgid(65534); os.setuid(65534); sys.exit(main({0}))"
    for words, exit_code, says in ((["doctor"], 1, "cannot be read and written"), (["data", "list"], 7, "permission")):
        done = subprocess.run(
            [sys.executable, "-c", code.format(words)], capture_output=True, text=True, check=False, cwd=place
        )
        assert (done.returncode, "Traceback" in done.stderr) == (exit_code, False), done
        assert says in (done.stdout.partition("then")[2] + done.stderr).lower(), done
    shutil.rmtree(top)


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_damage_passes_for_sound(made: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Any byte of any stored file, in head, body, index or foot; or the file cut anywhere."""
    place = Path(shutil.copytree(made, tmp_path_factory.mktemp("harmed") / "project"))
    sound = {digest: LocalObjects(made / ".clew/objects").get(digest) for digest in all_of(made)}
    path = data.draw(st.sampled_from(sorted(stored(place))))
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    ends = st.sampled_from([0, len(content) - 1]) | st.integers(0, min(len(content) - 1, 200))
    at = data.draw(ends | st.integers(max(0, len(content) - 300), len(content) - 1) | st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[at] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(content)
    else:
        path.write_bytes(content[:at])
    objects = LocalObjects(place / ".clew/objects")
    told = any(damage is not None for _, damage in objects.check())
    harmless = all(got(objects, digest) == value for digest, value in sound.items())  # a frame without its checksum
    assert told or harmless
    for digest, value in sound.items():
        assert got(objects, digest) in (value, None)
    shutil.rmtree(place.parent)


def got(objects: LocalObjects, digest: Digest) -> bytes | None:
    """An object, or None when the store says which one it has lost."""
    try:
        return objects.get(digest)
    except NotFound as error:
        return None if digest == error.name else b""
    except Corrupt as error:
        return None if digest in error.what else b""


def all_of(place: Path) -> list[Digest]:
    return sorted(LocalObjects(place / ".clew/objects").list())


def test_names_that_name_nothing_are_warned_of(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert look(capfd)[1]["names"][0]["level"] == "good"
    (place / "train.py").write_text("def train() -> None: ...\n", encoding="utf-8")
    said = '[retrain.delay]\npipeline = "train.py:trian"\n[gate.delay]\nmin_rows = 5\n'
    (place / "clew.toml").write_text(said, encoding="utf-8")
    code, found = look(capfd)
    assert code == 0
    texts = [(each["level"], each["text"], each["hint"]) for each in found["names"]]
    assert ("warning", "[gate.delay] is for no model", "nothing to do where it is still to come") in texts
    assert (
        "warning",
        "[retrain.delay] pipeline = 'train.py:trian': train.py has no trian",
        "did you mean train?",
    ) in texts
