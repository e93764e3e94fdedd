"""The environment that a run is repeated in: the present one, or one made anew from what was recorded.

What is recorded is the version of every package and of Python. A package that is installed here in that version is
linked from there; only what is missing is fetched. clew itself is always the one that runs now: it has to read the
room that it made. Environments are kept, by what they hold, so that the next one like it costs nothing.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from clew.core.canonical import digest_of
from clew.core.errors import Unavailable
from clew.loop.reproduce.fetch import fetch
from clew.loop.reproduce.installed import Distribution, distributions_in, link_distribution
from clew.loop.reproduce.interpreter import Interpreter, find_interpreter, this_interpreter
from clew.store.objects.disk import locked
from clew.tracking.capture import Environment
from clew.tracking.capture.environment import take_environment

__all__ = ["Choice", "Place", "environments_folder", "is_present", "open_environment"]

_SELF = "clew"
_READY = "ready"


class Choice(StrEnum):
    """Which environment: `auto` is the present one where it is the same as the recorded one, and else made anew."""

    AUTO = "auto"
    RECORDED = "recorded"
    PRESENT = "present"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A Python to start, the folder of its environment (None for the present one), and what there is to say of it."""

    python: Path
    prefix: Path | None = None
    notes: list[str] = field(default_factory=list)


def environments_folder(variables: Mapping[str, str] | None = None) -> Path:
    """Where environments are kept: below the user's cache, shared by all projects; it may be removed at any time."""
    around = os.environ if variables is None else variables
    base = around.get("XDG_CACHE_HOME") or Path(around.get("HOME") or Path.home()) / ".cache"
    return Path(base) / "clew" / "environments"


def is_present(recorded: Environment) -> bool:
    """Whether the environment of this process is the recorded one, clew itself aside."""
    now = take_environment()
    same = (now.python, now.implementation) == (recorded.python, recorded.implementation)
    return same and _others(now) == _others(recorded)


def open_environment(
    recorded: Environment | None,
    choice: Choice,
    *,
    cache: Path,
    folders: Sequence[Path] = (),
    tell: Callable[[str], None] = lambda _: None,
) -> Place:
    """The environment to repeat a run in.

    Args:
        recorded: what the run recorded.
        choice: which one is wanted.
        cache: where environments are kept.
        folders: with wheels, or unpacked ones, to take packages from.
        tell: hears what is going on.

    Raises:
        Unavailable: a package cannot be had, or the environment cannot be made.
    """
    if recorded is None or choice is Choice.PRESENT or (choice is Choice.AUTO and is_present(recorded)):
        return Place(python=Path(sys.executable))
    found = find_interpreter(recorded.implementation, recorded.python)
    root = Path(__file__).resolve().parents[3]
    key = digest_of(
        "clew.environment/0",
        [
            _others(recorded),
            list(recorded.in_place),
            found.version,
            str(found.path),
            str(root),
            take_environment().packages.get(_SELF, ""),
        ],
    )
    prefix = cache / key[:32]
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with locked(cache / f"{key[:32]}.lock"):
            if not (prefix / _READY).is_file():
                shutil.rmtree(prefix, ignore_errors=True)
                tell(f"making an environment of {len(recorded.packages)} packages for Python {found.version}")
                said = _make(recorded, found, prefix, root, folders)
                (prefix / _READY).write_text("\n".join(said), encoding="utf-8")
            notes = (prefix / _READY).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise Unavailable(
            f"no environment can be made in {cache}: {error.strerror or error}",
            hint="--environment present, or name another folder in XDG_CACHE_HOME",
        ) from error
    return Place(python=prefix / "bin" / "python", prefix=prefix, notes=notes)


def _make(recorded: Environment, found: Interpreter, prefix: Path, root: Path, folders: Sequence[Path]) -> list[str]:
    """Fill an environment; what there is to say of it."""
    _run([str(found.path), "-I", "-m", "venv", "--without-pip", str(prefix)])
    python = prefix / "bin" / "python"
    site = Path(_run([str(python), "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]))
    here = found.series == this_interpreter().series
    known = distributions_in([*folders, *sys.path])
    missing: dict[str, str] = {}
    for name, version in _others(recorded).items():
        each = known.get(name)
        if each is not None and each.version == version and (here or each.is_pure) and each.is_whole():
            link_distribution(each, prefix, site)
        elif name not in recorded.in_place:
            missing[name] = version
    _add_clew(known.get(_SELF), recorded, known, prefix, site, root)
    if missing:
        fetch(python, missing, folders=folders)
    linked = len(_others(recorded)) - len(missing)
    fetched = f", and {len(missing)} fetched" if missing else ""
    return [f"the environment was made anew: {linked} packages as they are installed here{fetched}"]


def _add_clew(
    own: Distribution | None,
    recorded: Environment,
    known: Mapping[str, Distribution],
    prefix: Path,
    site: Path,
    root: Path,
) -> None:
    """clew as it runs now, and what it requires where the recorded environment has none of it."""
    if own is not None:
        link_distribution(own, prefix, site, skip=(".pth",))
    if not (site / _SELF / "__init__.py").is_file():
        (site / "clew-in-place.pth").write_text(f"{root}\n", encoding="utf-8")
    for name in _requirements():
        if name not in recorded.packages and name in known:
            link_distribution(known[name], prefix, site)


def _requirements() -> list[str]:
    """The normalised names of what clew always requires."""
    try:
        lines = importlib.metadata.requires(_SELF) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    names = [re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in lines if "extra ==" not in line]
    return [re.sub(r"[-_.]+", "-", name).lower() for name in names]


def _others(environment: Environment) -> dict[str, str]:
    """All packages but clew."""
    return {name: version for name, version in environment.packages.items() if name != _SELF}


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - a Python, fixed words
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout or "").strip().splitlines()
        raise Unavailable(
            f"no environment can be made with {command[0]}: {said[-1] if said else error}",
            hint="--environment present repeats the run with the packages that are installed",
        ) from error
    return done.stdout.strip()
