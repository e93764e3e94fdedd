"""The tool that breaks conditions: which it finds, what it makes of them, and that it tells a killed one."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
TEXT = '''"""A module."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os


def f(a, b):
    if a and not b:
        return [x for x in a if x in b]
    while a is None:
        a = 1 if "ü" == b else 2
    return f"{a < b}" or 0 < a <= 3 or a < 15  # either: both are exact
'''


@pytest.fixture(scope="module")
def mutate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutate", ROOT / "tests" / "mutate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutate"] = module
    spec.loader.exec_module(module)
    return module


def broken(mutate: ModuleType, text: str) -> dict[str, set[str]]:
    return {
        found.before: {mutant.after for mutant in mutate.mutants_of(Path("a.py"), text, site)}
        for site in mutate.sites_of(text)
        for found in mutate.mutants_of(Path("a.py"), text, site)
    }


def test_every_condition_is_broken_in_every_way(mutate: ModuleType) -> None:
    found = broken(mutate, TEXT)
    assert found["a and (not b)"] == {"(not (a and (not b)))", "(a or not b)"}
    assert found["not b"] == {"(b)"}
    assert found["x in b"] == {"(not x in b)", "(x not in b)"}
    assert found["a is None"] == {"(not a is None)", "(a is not None)"}
    assert found["'ü' == b"] == {"(not 'ü' == b)", "('ü' != b)"}
    assert "TYPE_CHECKING" not in found
    assert "a < b" not in found


def test_a_line_that_says_so_keeps_its_boundaries(mutate: ModuleType) -> None:
    assert broken(mutate, TEXT)["a < 15"] == {"(not a < 15)"}
    other = TEXT.replace("  # either: both are exact", "")
    assert broken(mutate, other)["a < 15"] == {"(not a < 15)", "(a <= 15)", "(a < 16)"}
    assert broken(mutate, other)["0 < a <= 3"] >= {"(0 <= a <= 3)", "(0 < a < 3)", "(1 < a <= 3)", "(0 < a <= 4)"}


def test_every_mutant_of_the_sources_is_python(mutate: ModuleType) -> None:
    drawn = mutate.draw(1, 100, "")
    for mutant in drawn:
        compile(mutant.text, str(mutant.path), "exec")
        assert mutant.text != (ROOT / mutant.path).read_bytes()
    assert [one.text for one in drawn] == [one.text for one in mutate.draw(1, 100, "")]
    assert {mutant.path.parts[2] for mutant in drawn} == {"core", "stats", "store"}
    assert {mutant.path.name for mutant in mutate.draw(1, 5, "stats/root.py")} == {"root.py"}


def test_the_nearest_tests_come_first(mutate: ModuleType) -> None:
    assert mutate.tests_of(Path("src/clew/stats/drift/pool.py")) == [
        Path("tests/stats/drift/test_pool.py"),
        Path("tests/stats/drift"),
        Path("tests/stats"),
    ]


def test_a_broken_file_is_killed_and_put_back(mutate: ModuleType, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "mutate.py", "--count", "1", "--only", "core/ids.py"],
        capture_output=True,
        text=True,
        check=False,
        env={"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert '"mutant": "killed"' in done.stdout, done.stderr
    assert done.returncode == 0
    assert list(tmp_path.glob("tmp*")) == []
