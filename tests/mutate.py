"""Breaks conditions on purpose, to see whether a test notices. `make mutate` runs it.

Some conditions of `core`, `stats` and `store` (comparisons, their constants, `and`, `or`, `not`, what `if` asks) are
drawn by a seed. Each is broken in a copy of the tree, and the tests that mirror its file run against the copy; if they
pass, those of its package do. One JSON line per mutant, and exit code 1 when one survives.

A line that ends with `# either: WHY` says that both sides of its boundary give the same answer, as where a series and a
continued fraction are both exact. Boundaries are not moved there; everything else is broken as elsewhere.
"""

from __future__ import annotations

import argparse
import ast
import copy
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGES = ("core", "stats", "store")

OTHERS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
BOUNDARIES = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)

Spot = tuple[int, int, int, int]
"""First line, first byte, last line, last byte."""


class Mutant(NamedTuple):
    """A file with one condition broken: `before` stands at `line`, `after` instead."""

    path: Path
    line: int
    before: str
    after: str
    text: bytes


def sites_of(text: str) -> list[Spot]:
    """Where the conditions of a file stand, in order."""
    tree = ast.parse(text)
    found = {spot_of(node) for node in conditions_of(tree)}
    return sorted(found)


def conditions_of(tree: ast.AST) -> Iterator[ast.expr]:
    """Every comparison, boolean operator, `not` and test; none in f-strings, whose places Python 3.11 misreports."""
    if isinstance(tree, ast.JoinedStr):
        return
    if isinstance(tree, ast.Compare | ast.BoolOp) or (isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not)):
        yield tree
    elif isinstance(tree, ast.If | ast.IfExp | ast.While) and not is_for_types(tree.test):
        yield tree.test
    elif isinstance(tree, ast.comprehension):
        yield from tree.ifs
    for node in ast.iter_child_nodes(tree):
        yield from conditions_of(node)


def is_for_types(test: ast.expr) -> bool:
    """`if TYPE_CHECKING`, which is never true when tests run, and `while True`."""
    return isinstance(test, ast.Constant) or (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING")


def spot_of(node: ast.expr) -> Spot:
    return node.lineno, node.col_offset, node.end_lineno or 0, node.end_col_offset or 0


def broken(node: ast.expr, *, may_move: bool) -> list[ast.expr]:
    """All the ways in which a condition is broken; `may_move` allows its boundaries to move."""
    ways: list[ast.expr] = [ast.UnaryOp(ast.Not(), node)]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return [node.operand]
    if isinstance(node, ast.BoolOp):
        other = copy.deepcopy(node)
        other.op = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
        return [*ways, other]
    if not isinstance(node, ast.Compare):
        return ways
    for index, op in enumerate(node.ops):
        if may_move or not isinstance(op, BOUNDARIES):
            other = copy.deepcopy(node)
            other.ops[index] = OTHERS[type(op)]()
            ways.append(other)
    return ways + (list(with_other_constants(node)) if may_move else [])


def with_other_constants(node: ast.Compare) -> Iterator[ast.Compare]:
    """The comparison with each of its numbers one more."""
    for index, side in enumerate([node.left, *node.comparators]):
        if isinstance(side, ast.Constant) and type(side.value) in (int, float):
            other = copy.deepcopy(node)
            more = ast.Constant(side.value + 1)
            if index:
                other.comparators[index - 1] = more
            else:
                other.left = more
            yield other


def mutants_of(path: Path, text: str, site: Spot) -> list[Mutant]:
    """What a condition can become."""
    line_text = text.splitlines()[site[2] - 1]
    node = next(node for node in conditions_of(ast.parse(text)) if spot_of(node) == site)
    lines = text.encode().splitlines(keepends=True)
    start = sum(map(len, lines[: site[0] - 1])) + site[1]
    end = sum(map(len, lines[: site[2] - 1])) + site[3]
    whole, found = text.encode(), []
    for way in broken(node, may_move="# either: " not in line_text):
        after = f"({ast.unparse(ast.fix_missing_locations(way))})"
        before = ast.unparse(node)
        found.append(Mutant(path, site[0], before, after, whole[:start] + after.encode() + whole[end:]))
    return found


def tests_of(path: Path) -> list[Path]:
    """The tests of a source file, nearest first: its mirror, its folder, its package. Relative to the root."""
    inside = path.relative_to("src/clew")
    mirror = Path("tests") / inside.parent / f"test_{inside.stem}.py"
    folders = [Path("tests") / parent for parent in list(inside.parents)[:-1]]
    return [one for one in (mirror, *folders) if (ROOT / one).exists()]


def draw(seed: int, count: int, only: str) -> list[Mutant]:
    """Some mutants; the same ones for the same seed and sources."""
    choose = random.Random(seed)
    files = sorted(path for package in PACKAGES for path in (ROOT / "src" / "clew" / package).rglob("*.py"))
    texts = {path.relative_to(ROOT): path.read_text(encoding="utf-8") for path in files if only in str(path)}
    sites = [(path, site) for path, text in texts.items() for site in sites_of(text)]
    picked = choose.sample(sites, min(count, len(sites)))
    return [choose.choice(mutants_of(path, texts[path], site)) for path, site in picked]


class Copy:
    """A copy of the tree in which one file at a time is broken."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("src", "tests", "docs", "examples"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for path in ROOT.glob("*.*"):
            if path.is_file():
                shutil.copy2(path, folder)
        self.seconds: dict[Path, float] = {}
        inside = self.run([sys.executable, "-c", "import clew; print(clew.__file__)"], timeout=60)
        if not inside.stdout.startswith(str(folder)):
            raise SystemExit(f"the copy is not what is imported: {inside.stdout}{inside.stderr}")

    def run(self, words: list[str], *, timeout: float) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(self.folder / "src"), "CI": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            words, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )

    def passes(self, tests: Path, *, timeout: float) -> bool:
        words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", str(tests)]
        try:
            return self.run(words, timeout=timeout).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def allowed(self, tests: Path) -> float:
        """How long the tests may take; measured once, on the unbroken tree, which has to pass."""
        if tests not in self.seconds:
            began = time.monotonic()
            if not self.passes(tests, timeout=1800):
                raise SystemExit(f"{tests} fail without a mutation")
            self.seconds[tests] = time.monotonic() - began
        return 60 + 3 * self.seconds[tests]

    def kills(self, mutant: Mutant) -> Path | None:
        """The tests that notice, or None."""
        place = self.folder / mutant.path
        sound = place.read_bytes()
        suites = tests_of(mutant.path)
        limits = [self.allowed(tests) for tests in suites[:1]]
        try:
            place.write_bytes(mutant.text)
            for number, tests in enumerate(suites):
                if number:
                    place.write_bytes(sound)
                    limits.append(self.allowed(tests))
                    place.write_bytes(mutant.text)
                if not self.passes(tests, timeout=limits[number]):
                    return tests
        finally:
            place.write_bytes(sound)
        return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--only", default="", help="a part of the path of the files to break")
    asked = parser.parse_args()
    survived = 0
    with tempfile.TemporaryDirectory() as name:
        tree = Copy(Path(name).resolve())
        for mutant in draw(asked.seed, asked.count, asked.only):
            by = tree.kills(mutant)
            survived += by is None
            line = {"at": f"{mutant.path}:{mutant.line}", "was": mutant.before, "became": mutant.after}
            sys.stdout.write(json.dumps({"mutant": "killed" if by else "SURVIVED", **line, "by": str(by or "")}) + "\n")
            sys.stdout.flush()
    sys.stdout.write(json.dumps({"mutants": asked.count, "seed": asked.seed, "survived": survived}) + "\n")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
