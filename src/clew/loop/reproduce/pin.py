"""The environment variables of the repeated run: recorded ones, and those that keep thread counts and kernels."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from clew.core.ids import Digest
from clew.loop.reproduce.environment import Place
from clew.loop.reproduce.recorded import Capture
from clew.loop.reproduce.scene import Scene
from clew.settings import SQLITE
from clew.tracking.capture import Hardware
from clew.tracking.capture.command import KEPT_VARIABLES
from clew.tracking.start import RUN_VARIABLE, SEEDS_VARIABLE

__all__ = [
    "COUNTED",
    "ROOM_VARIABLES",
    "kernel_variables",
    "pinned_variables",
    "source_paths",
    "variables_of_place",
]

ROOM_VARIABLES = {"CLEW_LEDGER": SQLITE, "CLEW_OBJECTS": ""}
"""The clean room has a ledger of its own, wherever that of the project is, and its note says where the bytes are."""

COUNTED = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
"""Variables by which libraries are told a number of threads; without, they take that of the processors."""

_LEVELS = (
    ("avx512f", "AVX512_CORE", "AVX512", "avx512"),
    ("avx2", "AVX2", "AVX2", "avx2"),
    ("avx", "AVX", "AVX", "default"),
    ("sse4_2", "SSE41", "SSE4_2", "default"),
)
"""From an instruction set to how oneDNN, MKL and PyTorch call it, the widest first."""


def pinned_variables(
    around: Mapping[str, str], capture: Capture, *, seeds: Digest | None, cpus: int, paths: Sequence[str]
) -> dict[str, str]:
    """The variables to start a repeated run with.

    Variables that runs record are set to what they were, or taken away. Where a library was left to choose its number
    of threads, and this machine would make it choose another one, it is given the one that it chose.

    Args:
        around: the variables of this process.
        capture: what the run recorded.
        seeds: the object with the states of random generators, to go on from.
        cpus: how many processors this process may use.
        paths: folders to look for modules in first.
    """
    recorded = dict(capture.command.variables) if capture.command is not None else {}
    recorded.pop("PYTHONPATH", None)
    if capture.seeds is not None and capture.seeds.hash_seed:
        recorded["PYTHONHASHSEED"] = capture.seeds.hash_seed
    kept = {name: value for name, value in around.items() if name not in KEPT_VARIABLES and name != RUN_VARIABLE}
    found = {**kept, **_threads(capture, cpus), **recorded, **ROOM_VARIABLES}
    if paths:
        found["PYTHONPATH"] = ":".join(paths)
    if seeds:
        found[SEEDS_VARIABLE] = seeds
    return found


def kernel_variables(
    capture: Capture, hardware: Hardware, *, numpy_now: Callable[[], Sequence[str]]
) -> tuple[dict[str, str], str]:
    """Variables that make libraries choose the code that they chose on another processor.

    Args:
        capture: what the run recorded.
        hardware: of this machine.
        numpy_now: asks which optional instructions NumPy uses here, if it has to be known.

    Returns:
        The variables, none on the same processor; and why it cannot be done, where this one is an older one.
    """
    was, kernels = capture.hardware, capture.kernels
    if was is None or kernels is None or (was.cpu, was.features) == (hardware.cpu, hardware.features):
        return {}, ""
    lacking = sorted(set(was.features) - set(hardware.features))
    if lacking:
        return {}, f"this processor has no {', '.join(lacking)}: libraries choose other code than they did"
    found = {}
    for each in kernels.libraries:
        if "openblas" in each.name and each.architecture:
            found["OPENBLAS_CORETYPE"] = each.architecture
    before, now = _level(was.features), _level(hardware.features)
    if before is not None and before != now:
        _, found["ONEDNN_MAX_CPU_ISA"], found["MKL_ENABLE_INSTRUCTIONS"], found["ATEN_CPU_CAPABILITY"] = before
    more = [name for name in numpy_now() if name not in kernels.numpy] if kernels.numpy else []
    if more:
        found["NPY_DISABLE_CPU_FEATURES"] = " ".join(more)
    return {name: value for name, value in found.items() if name not in kernels.asked}, ""


def variables_of_place(place: Place, around: Mapping[str, str]) -> dict[str, str]:
    """What tells programs in which environment they are; nothing for the present one."""
    if place.prefix is None:
        return {}
    path = around.get("PATH", os.defpath)
    return {"VIRTUAL_ENV": str(place.prefix), "PATH": f"{place.prefix / 'bin'}{os.pathsep}{path}"}


def source_paths(capture: Capture, scene: Scene, folder: Path) -> list[str]:
    """Where modules of the run's own code are found now: wherever they were found below the root of its source.

    Taken from the recorded `PYTHONPATH`, and from the paths of this interpreter, so that a package that is installed in
    place is imported from the snapshot and not from the user's folder. One that is not installed here is looked for
    where such packages usually lie.
    """
    asked = capture.command.variables.get("PYTHONPATH", "") if capture.command is not None else ""
    ours = str(Path(__file__).resolve().parents[3])
    found: dict[str, None] = {}
    for text in (*filter(None, asked.split(":")), *sys.path[1:]):
        path = PurePosixPath(text)
        inside = path.is_relative_to(scene.root) and text != ours and not path.is_relative_to(sys.prefix)
        if inside:
            found[str(folder / path.relative_to(scene.root))] = None
        elif text in asked.split(":"):
            found[text] = None
    for name in capture.environment.in_place if capture.environment is not None else []:
        for place in (folder / "src", folder):
            if (place / name.replace("-", "_")).is_dir():
                found[str(place)] = None
    return list(found)


def _threads(capture: Capture, cpus: int) -> dict[str, str]:
    found: dict[str, str] = {}
    if capture.hardware is not None and capture.hardware.usable_cpus != cpus:
        found = dict.fromkeys((*COUNTED, "POLARS_MAX_THREADS"), str(capture.hardware.usable_cpus))
    if capture.threads is not None:
        if "polars" in capture.threads.effective:
            found["POLARS_MAX_THREADS"] = str(capture.threads.effective["polars"])
        found |= capture.threads.asked
    return found


def _level(features: Sequence[str]) -> tuple[str, str, str, str] | None:
    return next((level for level in _LEVELS if level[0] in features), None)
