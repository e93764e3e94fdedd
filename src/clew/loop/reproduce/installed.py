"""Distributions that lie on this machine, and how one gets into an environment without being fetched.

Files are linked where the file system allows it, else copied: by the list that every distribution brings (`RECORD`), so
that only what belongs to it comes along, and only if its files still have the sizes of that list.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Distribution", "distributions_in", "link_distribution"]

_OTHERS = re.compile(r"^Tag: (?!.*-none-any\s*$)", re.MULTILINE)


@dataclass(frozen=True)
class Distribution:
    """An installed distribution: its normalised name, version, and the folder of its metadata."""

    name: str
    version: str
    metadata: Path

    @property
    def folder(self) -> Path:
        """The folder that its modules lie in."""
        return self.metadata.parent

    @property
    def is_pure(self) -> bool:
        """Whether it serves every Python: nothing in it is compiled."""
        try:
            wheel = (self.metadata / "WHEEL").read_text(encoding="utf-8")
        except OSError:
            return False
        return "Root-Is-Purelib: true" in wheel and _OTHERS.search(wheel) is None

    def files(self) -> list[tuple[str, int | None]]:
        """Paths relative to the folder, with sizes where they are known; nothing without a list."""
        try:
            with (self.metadata / "RECORD").open(encoding="utf-8", newline="") as lines:
                rows = [row for row in csv.reader(lines) if row]
        except (OSError, csv.Error):
            return []
        return [(row[0], int(row[2]) if len(row) > 2 and row[2].isdigit() else None) for row in rows]

    def is_whole(self) -> bool:
        """Whether every module file that it lists is there, in its size; programs are written anew, bytecode too."""
        listed = [each for each in self.files() if not each[0].startswith("..") and not each[0].endswith(".pyc")]
        return bool(listed) and all(_has_size(self.folder / path, size) for path, size in listed)


def distributions_in(folders: Iterable[str | Path]) -> dict[str, Distribution]:
    """What is installed in folders, by normalised name; the first one counts."""
    found: dict[str, Distribution] = {}
    for folder in map(Path, folders):
        if folder.is_dir():
            for path in sorted(folder.glob("*.dist-info")):
                name, _, version = path.stem.partition("-")
                name = re.sub(r"[-_.]+", "-", name).lower()
                found.setdefault(name, Distribution(name, version, path))
    return found


def link_distribution(each: Distribution, prefix: Path, site: Path, *, skip: tuple[str, ...] = ()) -> None:
    """Put the files of a distribution into an environment.

    Args:
        each: a whole one.
        prefix: the environment.
        site: its folder of installed packages.
        skip: ends of names that are left out.
    """
    for source, target in _places(each, prefix, site):
        if target.suffix in skip or target.exists() or not source.is_file():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.parent.name == "bin" and _is_script(source):
            _write_script(source, target, prefix)
        else:
            _link(source, target)


def _places(each: Distribution, prefix: Path, site: Path) -> Iterator[tuple[Path, Path]]:
    """Where each file lies and belongs; those outside of both environments are left out."""
    depth = len(site.relative_to(prefix).parts)
    theirs = each.folder.parents[depth - 1] if len(each.folder.parents) >= depth else each.folder
    for path, _ in each.files():
        source = Path(os.path.normpath(each.folder / path))
        if source.is_relative_to(each.folder):
            yield source, site / source.relative_to(each.folder)
        elif source.is_relative_to(theirs):
            yield source, prefix / source.relative_to(theirs)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        shutil.copy2(source, target)


def _is_script(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def _write_script(source: Path, target: Path, prefix: Path) -> None:
    """A program of the environment, which starts its Python."""
    _, _, rest = source.read_bytes().partition(b"\n")
    target.write_bytes(f"#!{prefix / 'bin' / 'python'}\n".encode() + rest)
    with suppress(OSError):
        target.chmod(0o755)


def _has_size(path: Path, size: int | None) -> bool:
    try:
        found = path.stat().st_size
    except OSError:
        return False
    return size is None or found == size
