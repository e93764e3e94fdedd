"""What differs between runs: parameters, metrics, code, packages, machine, and what they used.

The first run is the one that others are compared with. Equal things are left out. Not a statistic: whether a
difference of a metric means something needs repeated runs.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from clew.core.contracts.objects import Objects
from clew.core.errors import NotFound
from clew.core.ids import Digest
from clew.core.types.edge import Role
from clew.core.types.run import Run, Scalar
from clew.core.types.series import SYSTEM
from clew.tracking.capture import Command, Environment, Hardware, Kernels, Seeds, Source, Threads, read_aspect
from clew.tracking.overview import Overview

__all__ = ["CodeChange", "Comparison", "Difference", "compare"]

T = TypeVar("T")

_FILE_BYTES = 256 << 10
_DIFF_LINES = 5_000


class Difference(msgspec.Struct, frozen=True):
    """One thing that is not the same everywhere: a value for each run, None where a run has none."""

    name: str
    values: list[Scalar]


class CodeChange(msgspec.Struct, frozen=True, kw_only=True):
    """How the source of a run differs from that of the first one; `diff` is a unified diff of the texts among them."""

    run: str
    changed: list[str]
    added: list[str]
    removed: list[str]
    diff: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Runs side by side. `metrics` holds last values, equal ones too; `inputs` the versions used."""

    runs: list[Run]
    params: list[Difference]
    metrics: list[Difference]
    inputs: list[Difference]
    code: list[CodeChange]
    packages: list[Difference]
    machine: list[Difference]


def compare(objects: Objects, overviews: Sequence[Overview]) -> Comparison:
    """Compare two runs or more; what a run did not record counts as missing.

    Args:
        objects: where the records of the runs are.
        overviews: the runs, the one to compare with first.
    """
    runs = [each.run for each in overviews]
    sources = [_aspect(objects, run, "source", Source) for run in runs]
    environments = [_aspect(objects, run, "environment", Environment) for run in runs]
    return Comparison(
        runs=runs,
        params=_differences([run.params for run in runs]),
        metrics=_differences([_last_values(each) for each in overviews], equal_too=True),
        inputs=_differences([_inputs(each) for each in overviews]),
        code=[
            _code_change(objects, run, sources[0], source) for run, source in zip(runs[1:], sources[1:], strict=True)
        ],
        packages=_differences([env.packages if env is not None else {} for env in environments]),
        machine=_differences(
            [
                {"branch": overview.branch or None, **_machine(objects, overview.run, env)}
                for overview, env in zip(overviews, environments, strict=True)
            ]
        ),
    )


def _last_values(overview: Overview) -> dict[str, Scalar]:
    """What was measured of the model; what the machine did meanwhile is no result."""
    return {series.key: series.last for series in overview.metrics if not series.key.startswith(SYSTEM)}


def _differences(sides: Sequence[Mapping[str, Scalar]], *, equal_too: bool = False) -> list[Difference]:
    names = sorted({name for side in sides for name in side})
    rows = [Difference(name, [side.get(name) for side in sides]) for name in names]
    return [row for row in rows if equal_too or len({repr(value) for value in row.values}) > 1]


def _inputs(overview: Overview) -> dict[str, Scalar]:
    """Version by dataset or model, so that `flights@1` against `flights@2` is one line."""
    found: dict[str, Scalar] = {}
    for link in overview.inputs:
        if link.role is Role.INPUT:
            name, _, version = (link.reference or link.node).rpartition("@")
            found[name or version] = version if name else "used"
    return found


def _machine(objects: Objects, run: Run, environment: Environment | None) -> dict[str, Scalar]:
    found: dict[str, Scalar] = {"commit": run.commit or None}
    if environment is not None:
        found |= {"python": environment.python, "system": f"{environment.system} {environment.machine}"}
    hardware = _aspect(objects, run, "hardware", Hardware)
    if hardware is not None:
        features = ", ".join(hardware.features)
        found |= {"cpu": hardware.cpu, "cpu features": features, "usable cpus": hardware.usable_cpus}
        found |= {"accelerators": ", ".join(hardware.accelerators) or None}
    threads = _aspect(objects, run, "threads", Threads)
    if threads is not None:
        found |= {**threads.asked, **{f"threads of {name}": count for name, count in threads.effective.items()}}
    kernels = _aspect(objects, run, "kernels", Kernels)
    if kernels is not None:
        found |= {f"kernels of {each.name}": each.architecture for each in kernels.libraries if each.architecture}
        found |= {"kernels of numpy": ", ".join(kernels.numpy) or None}
    seeds = _aspect(objects, run, "seeds", Seeds)
    if seeds is not None:
        found |= {"PYTHONHASHSEED": seeds.hash_seed or None}
    command = _aspect(objects, run, "command", Command)
    if command is not None:
        named = {name: value for name, value in command.variables.items() if name not in found}
        found |= {"command": " ".join(command.words), **named}
    return found


def _code_change(objects: Objects, run: Run, before: Source | None, after: Source | None) -> CodeChange:
    old = {file.path: file.digest for file in before.files} if before is not None else {}
    new = {file.path: file.digest for file in after.files} if after is not None else {}
    changed = sorted(path for path in old.keys() & new.keys() if old[path] != new[path])
    added, removed = sorted(new.keys() - old.keys()), sorted(old.keys() - new.keys())
    lines: list[str] = []
    for path in sorted([*changed, *added, *removed]):
        lines += _diff(objects, path, old.get(path), new.get(path))
        if len(lines) > _DIFF_LINES:
            lines = [*lines[:_DIFF_LINES], f"… the diff is longer than {_DIFF_LINES:,} lines\n"]
            break
    return CodeChange(run=run.id, changed=changed, added=added, removed=removed, diff="".join(lines))


def _diff(objects: Objects, path: str, old: Digest | None, new: Digest | None) -> list[str]:
    before, after = _text(objects, old), _text(objects, new)
    if before is None or after is None:
        return [f"{path} is no text, or too large to compare\n"]
    one, two = before.splitlines(keepends=True), after.splitlines(keepends=True)
    found = difflib.unified_diff(one, two, f"a/{path}" if old else "/dev/null", f"b/{path}" if new else "/dev/null")
    return [line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in found]


def _text(objects: Objects, digest: Digest | None) -> str | None:
    if digest is None:
        return ""
    try:
        data = objects.get(digest) if objects.size(digest) <= _FILE_BYTES else None
        return None if data is None or b"\0" in data else data.decode()
    except (UnicodeDecodeError, NotFound):
        return None


def _aspect(objects: Objects, run: Run, aspect: str, type: type[T]) -> T | None:
    try:
        return read_aspect(objects, run, aspect, type)
    except NotFound:
        return None
