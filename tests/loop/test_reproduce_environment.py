"""Environments that are made anew, in a small one of its own: clew, what it requires, and one package to change."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.core.errors import Unavailable
from clew.loop.reproduce.environment import Choice, environments_folder, is_present, open_environment
from clew.loop.reproduce.installed import Distribution, distributions_in, link_distribution
from clew.loop.reproduce.interpreter import find_interpreter, this_interpreter
from clew.loop.reproduce.wheel import write_wheel as put_back
from clew.tracking.capture import Environment
from clew.tracking.capture.environment import take_environment

PIPELINE = """
import clew
import tiny

@clew.step
def first() -> int:
    return 1

@clew.step
def scaled(number: int) -> int:
    return number * tiny.SCALE

@clew.pipeline
def train():
    return scaled(first())
"""


def write_wheel(folder: Path, version: str, scale: int) -> Path:
    """A wheel of the package `tiny`, which holds one number."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"tiny-{version}.dist-info"
    files = {
        "tiny/__init__.py": f"SCALE = {scale}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [f"{name},sha256={hashed(text)},{len(text)}" for name, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,"]) + "\n"
    path = folder / f"tiny-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def hashed(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def put_wheel(wheel: Path, site: Path) -> None:
    """Install a wheel instead of the version that is there."""
    for old in site.glob("tiny*/*"):
        old.unlink()
    for empty in site.glob("tiny*"):
        empty.rmdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)


def required(name: str) -> set[str]:
    """Names of a distribution and of all that it always requires."""
    lines = [line for line in metadata.requires(name) or [] if "extra ==" not in line]
    names = {
        "".join(c for c in line.replace("_", "-").split(";")[0].split("[")[0] if c.isalnum() or c in "-.<>=~! ")
        for line in lines
    }
    bare = {
        part.split(">")[0].split("<")[0].split("=")[0].split("~")[0].split("!")[0].strip().lower() for part in names
    }
    known = {each for each in bare if each in distributions_in(sys.path)}
    return {name, *known, *(deeper for each in known for deeper in required(each))}


class Place:
    """A small environment with a project in it."""

    def __init__(self, root: Path) -> None:
        self.root, self.prefix, self.project = root, root / "venv", root / "project"
        base = this_interpreter().path
        subprocess.run([base, "-I", "-m", "venv", "--without-pip", self.prefix], check=True)
        self.python = self.prefix / "bin" / "python"
        self.site = next((self.prefix / "lib").glob("python*/site-packages"))
        known = distributions_in(sys.path)
        for name in required("clew"):
            link_distribution(known[name], self.prefix, self.site, skip=(".pth",))
        (self.site / "clew.pth").write_text(f"{Path(clew.__file__).parents[1]}\n")
        self.wheels = root / "wheels"
        self.one, self.two = write_wheel(self.wheels, "1.0", 3), write_wheel(root / "other", "2.0", 4)
        put_wheel(self.one, self.site)
        self.project.mkdir()
        (self.project / "work.py").write_text(PIPELINE)
        self.clew("init")
        self.clew("run", "work.py:train")

    def clew(self, *words: str, wheels: str = "", folder: Path | None = None) -> Any:
        """Exit code, and what a command printed. Elsewhere it has a home of its own, with nothing in it."""
        tool = {"UV_NO_INDEX": "1", "PIP_NO_INDEX": "1", "UV_FIND_LINKS": wheels, "PIP_FIND_LINKS": wheels}
        around = {**os.environ, **tool, "XDG_CACHE_HOME": str(self.root / "cache")}
        if folder is not None:
            around = {"PATH": os.environ["PATH"], "HOME": str(folder / "home"), "UV_NO_INDEX": "1", "PIP_NO_INDEX": "1"}
        done = subprocess.run(
            [self.python, "-m", "clew", *words],
            cwd=folder or self.project,
            env=around,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout or done.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("place"))


def test_a_package_that_changed_since_is_had_in_the_recorded_version_again(place: Place) -> None:
    bundle = place.root / "first.clew"
    code, said = place.clew("reproduce", "train", "--bundle", str(bundle), "--with-packages")
    assert code == 0
    put_wheel(place.two, place.site)

    code, said = place.clew("reproduce", "train")
    assert code != 0
    assert "tiny 1.0 cannot be had" in said
    assert "--environment present" in said

    code, text = place.clew("reproduce", "train", "--json", wheels=str(place.wheels))
    found = json.loads(text)
    assert (code, found["verdict"], found["environment"], found["factors"]) == (0, "bit-identical", "recorded", [])
    assert any("1 fetched" in note for note in found["notes"])
    assert place.clew("reproduce", "train", "--json")[0] == 0  # the same environment once more, without any wheel

    code, text = place.clew("reproduce", "train", "--json", "--environment", "present", "--one-by-one")
    found = json.loads(text)
    assert (code, found["verdict"], found["environment"]) == (1, "different", "present")
    assert found["alone"] == [{"change": "package:tiny=2.0", "verdict": "different", "first": "step scaled"}]
    assert [(step["step"], step["same"]) for step in found["steps"]] == [("first", True), ("scaled", False)]
    cause = found["divergence"]["factors"][0]
    assert (cause["kind"], cause["name"]) == ("package", "distribution tiny")
    assert (cause["recorded"], cause["now"]) == ("1.0", "2.0")

    elsewhere = place.root / "elsewhere"
    elsewhere.mkdir()
    code, text = place.clew("reproduce", str(bundle), "--json", folder=elsewhere)
    found = json.loads(text)
    assert (code, found["verdict"], found["environment"]) == (0, "bit-identical", "recorded")
    assert sorted(path.name for path in elsewhere.iterdir()) == ["home"]


def test_an_installed_distribution_goes_back_into_a_wheel(tmp_path: Path) -> None:
    site = site_of(tmp_path / "site")
    put_wheel(write_wheel(tmp_path, "1.0", 3), site)
    path = put_back(distributions_in([site])["tiny"], site_of(tmp_path / "again"))
    assert path.name == "tiny-1.0-py3-none-any.whl"
    put_wheel(path, site_of(tmp_path / "other"))
    assert distributions_in([tmp_path / "other"])["tiny"].is_whole()


def an_environment(**changes: Any) -> Environment:
    now = take_environment()
    given = {name: getattr(now, name) for name in now.__struct_fields__}
    return Environment(**{**given, **changes})


def test_the_present_environment_is_used_where_it_is_the_same(tmp_path: Path) -> None:
    assert is_present(an_environment())
    others = {name: version for name, version in take_environment().packages.items() if name != "clew"}
    assert is_present(an_environment(packages={**others, "clew": "0.0.1"}))
    assert not is_present(an_environment(packages={**others, "tiny": "1.0"}))
    assert not is_present(an_environment(python="3.10.0"))
    for recorded, choice in ((an_environment(), Choice.AUTO), (an_environment(packages={}), Choice.PRESENT)):
        place = open_environment(recorded, choice, cache=tmp_path)
        assert (place.python, place.prefix) == (Path(sys.executable), None)
    assert list(tmp_path.iterdir()) == []


def test_only_whole_distributions_are_linked(tmp_path: Path) -> None:
    site, target = tmp_path / "site", tmp_path / "venv" / "lib" / "site"
    put_wheel(write_wheel(tmp_path, "1.0", 3), site_of(site))
    tiny = distributions_in([site])["tiny"]
    assert tiny == Distribution("tiny", "1.0", site / "tiny-1.0.dist-info")
    assert tiny.is_whole()
    assert tiny.is_pure
    link_distribution(tiny, tmp_path / "venv", target)
    assert (target / "tiny" / "__init__.py").read_text() == "SCALE = 3\n"
    (site / "tiny" / "__init__.py").unlink()
    assert not tiny.is_whole()
    (site / "tiny" / "__init__.py").write_text("SCALE = 30\n")
    assert not tiny.is_whole()


def test_a_record_that_leads_out_of_its_environment_brings_nothing_from_there(tmp_path: Path) -> None:
    site = tmp_path / "a" / "lib" / "site"
    put_wheel(write_wheel(tmp_path, "1.0", 3), site_of(site))
    (tmp_path / "secret").write_text("s")
    (tmp_path / "a" / "bin").mkdir()
    (tmp_path / "a" / "bin" / "tool").write_text("#!/usr/bin/python\nprint()\n")
    with (site / "tiny-1.0.dist-info" / "RECORD").open("a") as record:
        record.write("../../../secret,,\n../../bin/tool,,\n")
    link_distribution(distributions_in([site])["tiny"], tmp_path / "b", tmp_path / "b" / "lib" / "site")
    assert sorted(path.name for path in (tmp_path / "b").rglob("*") if path.is_file()) == [
        "METADATA",
        "RECORD",
        "WHEEL",
        "__init__.py",
        "tool",
    ]
    assert (tmp_path / "b" / "bin" / "tool").read_text().startswith(f"#!{tmp_path / 'b' / 'bin' / 'python'}\n")


def site_of(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def test_the_nearest_python_is_found() -> None:
    here = this_interpreter()
    assert find_interpreter(here.implementation, here.version) == here
    assert find_interpreter("cpython", "2.0.0") == here


def test_where_environments_are_kept() -> None:
    assert environments_folder({"XDG_CACHE_HOME": "/c"}) == Path("/c/clew/environments")
    assert environments_folder({"HOME": "/h"}) == Path("/h/.cache/clew/environments")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(Unavailable, match="no environment can be made"):
        open_environment(an_environment(packages={}), Choice.RECORDED, cache=tmp_path / "cache")
