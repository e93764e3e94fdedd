"""Bundles: a run repeated without its project, and archives that mean harm."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clew.cli.main import main
from clew.core.errors import ClewError, Corrupt, Invalid
from clew.loop.reproduce import is_bundle, open_bundle
from clew.loop.reproduce.bundle import MANIFEST, Manifest

PIPELINE = """
import clew

@clew.step
def counted(rows: clew.Dataset) -> int:
    return len(rows.frame()) + len(open("words.txt").read().split())

@clew.pipeline
def train(rows: clew.Dataset):
    return counted(rows)
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a run that read a file which is neither source nor data, on the second version of a dataset."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "work.py").write_text(PIPELINE)
    (folder / "words.txt").write_text("a b c\n")
    (folder / ".clewignore").write_text("words.txt\n")
    path = folder.parent / f"{folder.name}.clew"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["init"]) == 0
        for rows in ("a\n1\n", "a\n1\n2\n"):
            (folder / "rows.csv").write_text(rows)
            assert main(["data", "add", "rows", "rows.csv"]) == 0
        subprocess.run([sys.executable, "-m", "clew", "run", "work.py:train", "rows=rows@2"], check=True)
        assert main(["reproduce", "train", "--bundle", str(path)]) == 0
        assert main(["reproduce", "train", "--bundle", str(path)]) != 0  # a file is never written over
    return path


def test_a_run_is_repeated_in_an_empty_folder(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert main(["reproduce", str(bundle), "--json", "--certificate", str(tmp_path / "certificate.json")]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["verdict"], [step["same"] for step in found["steps"]]) == ("bit-identical", [True])
    assert list((tmp_path / "empty").iterdir()) == []
    assert main(["reproduce", "--verify", str(tmp_path / "certificate.json"), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["statement"]["data"].keys() == {"rows@2"}


def test_what_is_in_it(bundle: Path) -> None:
    with open_bundle(bundle) as (archive, manifest):
        assert manifest.inside == "."
        assert [file.path for file in manifest.files] == ["words.txt"]
        assert len(archive.namelist()) == len(manifest.objects) + 2


def rewritten(bundle: Path, target: Path, change: Callable[[Manifest], Manifest], **files: bytes) -> Path:
    """A copy of a bundle with another manifest, and other bytes for some of its entries."""
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        manifest = change(msgspec.json.decode(old.read(MANIFEST), type=Manifest))
        new.writestr(MANIFEST, msgspec.json.encode(manifest))
        for name in old.namelist():
            if name != MANIFEST:
                new.writestr(name, files.get(name, old.read(name)))
    return target


def same(manifest: Manifest) -> Manifest:
    return manifest


def with_file(path: str) -> Callable[[Manifest], Manifest]:
    def change(manifest: Manifest) -> Manifest:
        [file] = manifest.files
        return msgspec.structs.replace(manifest, files=[msgspec.structs.replace(file, path=path)])

    return change


@pytest.mark.parametrize("path", ["../out.txt", "/etc/out.txt", "a/../../out.txt", ""])
def test_paths_that_lead_out(bundle: Path, tmp_path: Path, path: str) -> None:
    bad = rewritten(bundle, tmp_path / "bad.clew", with_file(path))
    with pytest.raises(Corrupt, match="leads out"), open_bundle(bad):
        pass


@pytest.mark.parametrize("name", ["../a.whl", "a/b.whl", "a.txt", ".whl", "\\a.whl"])
def test_packages_with_names_that_are_none(bundle: Path, tmp_path: Path, name: str) -> None:
    def change(manifest: Manifest) -> Manifest:
        return msgspec.structs.replace(manifest, packages={name: manifest.rows})

    bad = rewritten(bundle, tmp_path / "bad.clew", change)
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(bad, "a") as new:
        new.writestr(f"packages/{name}", old.read("rows.msgpack"))
    with pytest.raises(Corrupt, match="no plain name"), open_bundle(bad):
        pass


def test_entries_that_nobody_named_or_named_twice(bundle: Path, tmp_path: Path) -> None:
    bad = rewritten(bundle, tmp_path / "bad.clew", same)
    with zipfile.ZipFile(bad, "a") as archive:
        archive.writestr("../../evil.py", "print()")
    with pytest.raises(Corrupt, match="evil"), open_bundle(bad):
        pass
    twice = rewritten(bundle, tmp_path / "twice.clew", same)
    with zipfile.ZipFile(twice, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("rows.msgpack", b"")
    with pytest.raises(Corrupt, match="rows"), open_bundle(twice):
        pass


def test_links_and_other_than_plain_files(bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(tmp_path / "bad.clew", "w") as new:
        for name in old.namelist():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777 if name.startswith("objects/") else stat.S_IFREG | 0o600) << 16
            new.writestr(info, old.read(name))
    with pytest.raises(Corrupt, match="no plain file"), open_bundle(tmp_path / "bad.clew"):
        pass


def test_bytes_that_are_not_what_their_name_says(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with open_bundle(bundle) as (_, manifest):
        digest, size = next((digest, size) for digest, size in manifest.objects.items() if size > 10)
    name = f"objects/{digest}"
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", str(rewritten(bundle, tmp_path / "a.clew", same, **{name: b"x" * size}))]) != 0
    assert "is not what its name says" in capfd.readouterr().err
    with (
        pytest.raises(Corrupt, match="another size"),
        open_bundle(rewritten(bundle, tmp_path / "b.clew", same, **{name: b"x"})),
    ):
        pass
    assert main(["reproduce", str(rewritten(bundle, tmp_path / "c.clew", same, **{"rows.msgpack": b"\x80"}))]) != 0
    assert not any(path.name.startswith("clew-bundle") for path in tmp_path.iterdir())


def test_a_bomb(bundle: Path, tmp_path: Path) -> None:
    def change(manifest: Manifest) -> Manifest:
        return msgspec.structs.replace(manifest, objects={**manifest.objects, "0" * 64: 3 << 30})

    bad = rewritten(bundle, tmp_path / "bad.clew", change)
    with zipfile.ZipFile(bad, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(f"objects/{'0' * 64}", b"")
    data = bad.read_bytes()
    at = data.rindex(b"PK\x01\x02")  # the last entry of the directory: it states the size that the manifest does
    bad.write_bytes(data[: at + 24] + (3 << 30).to_bytes(4, "little") + data[at + 28 :])
    with pytest.raises(Invalid, match="would unpack to"), open_bundle(bad):
        pass


def test_what_is_no_bundle(bundle: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain.zip"
    with zipfile.ZipFile(plain, "w") as archive:
        archive.writestr("a", "b")
    with pytest.raises(Invalid, match="is no bundle"), open_bundle(plain):
        pass
    (tmp_path / "text").write_text("text")
    assert not is_bundle(tmp_path / "text")
    assert not is_bundle(tmp_path)

    def newer(manifest: Manifest) -> Manifest:
        return msgspec.structs.replace(manifest, format="clew.bundle/9")

    with pytest.raises(Invalid, match="bundle/9"), open_bundle(rewritten(bundle, tmp_path / "new.clew", newer)):
        pass


def test_a_bundle_that_was_cut_or_changed_anywhere_is_refused(bundle: Path, tmp_path: Path) -> None:
    data, bad = bundle.read_bytes(), tmp_path / "bad.clew"
    for at in range(0, len(data), max(len(data) // 40, 1)):
        bad.write_bytes(data[:at])
        if is_bundle(bad):
            with pytest.raises(ClewError), open_bundle(bad):
                pass


def read(bundle: Path) -> Any:
    with zipfile.ZipFile(bundle) as archive:
        return msgspec.json.decode(archive.read(MANIFEST))


def test_the_manifest_is_as_the_page_says(bundle: Path) -> None:
    assert set(read(bundle)) == {
        "format",
        "clew",
        "run",
        "name",
        "inside",
        "rows",
        "objects",
        "packages",
        "files",
        "certificate",
        "missing",
    }
    assert read(bundle)["format"] == "clew.bundle/0"


MODELS = """
import clew
import polars as pl
from sklearn.linear_model import LogisticRegression

@clew.step
def fit(rows: clew.Dataset, strength: float) -> clew.Model:
    table = rows.frame()
    model = LogisticRegression(C=strength).fit(table.select("x"), table["y"])
    return clew.Model("small", model, train=table, test=table, label="y", features=["x"])

@clew.pipeline
def train(rows: clew.Dataset, strength: float):
    return fit(rows, strength)
"""


THREE_VERSIONS = """
from clew.cli.main import main

for name, strength in ("first", 1), ("second", 0.001), ("third", 0.1):
    assert main(["run", "--name", name, "models.py:train", "rows=rows@1", f"strength={strength}"]) == 0
    assert name != "first" or main(["model", "promote", "small@1", "champion"]) == 0
"""
"""In one process, which loads scikit-learn once."""


def test_a_version_that_was_compared_with_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    Path("models.py").write_text(MODELS)
    Path("rows.csv").write_text("x,y\n" + "".join(f"{i},{int(i > 60)}\n" for i in range(120)))
    assert main(["init"]) == 0
    assert main(["data", "add", "rows", "rows.csv"]) == 0
    done = subprocess.run([sys.executable, "-c", THREE_VERSIONS], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert main(["reproduce", "third", "--bundle", str(tmp_path / "third.clew")]) == 0
    monkeypatch.chdir(tmp_path / "empty")
    capfd.readouterr()
    assert main(["reproduce", str(tmp_path / "third.clew"), "--json"]) == 0
    said = capfd.readouterr()
    assert json.loads(said.out)["verdict"] == "bit-identical"
    assert "cannot be compared" not in said.err
