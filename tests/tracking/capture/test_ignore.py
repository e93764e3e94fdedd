"""Ignore files mean what git says they mean."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.tracking.capture.ignore import Rule, ignored, read_rules

PATTERNS = ["*.log", "/top", "deep/", "a/**/z", "**/x.py", "src/*", "!keep.log", "b?d", "a**z", "**", "x/**/", "**/b/d"]
PATTERNS += ["[a-c].txt", "[!a].md", "\\#odd", "d/**", "!d/e/", "*/z", "src", "a/*", "!a/z", "keep.log ", "k\\?d"]
PATHS = ["a.log", "keep.log", "top", "s/top", "deep/q", "a/z", "a/b/c/z", "x.py", "p/x.py", "src/m.py", "src/n/o.py"]
PATHS += [
    "bad",
    "b/d",
    "b.txt",
    "d.txt",
    "a.md",
    "b.md",
    "#odd",
    "d/e/f",
    "d",
    "az",
    "abz",
    "x/y/w",
    "x/y",
    "a/b/d",
    "k?d",
]


def git_says(root: Path, paths: list[str]) -> set[str]:
    """Which of the paths git ignores."""
    words = ["git", "-C", root, "check-ignore", "--no-index", "--stdin", "-z"]
    done = subprocess.run(words, input="\0".join(paths), capture_output=True, text=True, check=False)
    return set(done.stdout.split("\0")) - {""}


def we_say(root: Path, path: str) -> bool:
    parts = path.split("/")
    rules = read_rules(root, "")
    for end in range(1, len(parts) + 1):
        whole = end == len(parts)
        if ignored("/".join(parts[:end]), rules, is_folder=not whole or (root / path).is_dir()):
            return True
    return False


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    subprocess.run(["git", "init", "-q", root], check=True)
    return root


def check(root: Path, patterns: list[str]) -> None:
    (root / ".gitignore").write_text("# comment\n\n" + "\n".join(patterns) + "\n")
    ours = {path for path in PATHS if we_say(root, path)}
    assert ours == git_says(root, PATHS), patterns


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_rule_decides_as_git_does(root: Path, pattern: str) -> None:
    check(root, [pattern])


@settings(max_examples=40, deadline=None)
@given(patterns=st.lists(st.sampled_from(PATTERNS), min_size=2, max_size=5))
def test_rules_decide_together_as_git_does(root: Path, patterns: list[str]) -> None:
    check(root, patterns)


def test_rules_of_a_folder_hold_below_it(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/.clewignore").write_text("/own.txt\n*.tmp\n")
    rules = read_rules(tmp_path, "sub/")
    assert ignored("sub/own.txt", rules, is_folder=False)
    assert ignored("sub/deep/a.tmp", rules, is_folder=False)
    assert not ignored("own.txt", rules, is_folder=False)


def test_what_is_never_source_is_always_left_out() -> None:
    assert ignored("a/__pycache__", [Rule("!*", "")], is_folder=True)


def test_a_broken_pattern_ignores_nothing(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("[z-a].txt\n*.ok\n")
    rules = read_rules(tmp_path, "")
    assert [ignored(name, rules, is_folder=False) for name in ("b.txt", "a.ok")] == [False, True]
