"""The environment variables of the repeated run: those that were recorded, and thread counts as they were."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from clew.core.ids import Digest
from clew.loop.reproduce.recorded import Capture
from clew.loop.reproduce.scene import Scene
from clew.settings import SQLITE
from clew.tracking.capture.command import KEPT_VARIABLES
from clew.tracking.start import RUN_VARIABLE, SEEDS_VARIABLE

__all__ = ["ROOM_VARIABLES", "pinned_variables", "source_paths"]

ROOM_VARIABLES = {"CLEW_LEDGER": SQLITE}
"""The clean room has a ledger of its own, wherever that of the project is."""

_COUNTED = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


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


def source_paths(capture: Capture, scene: Scene, folder: Path) -> list[str]:
    """Where modules of the run's own code are found now: wherever they were found below the root of its source.

    Taken from the recorded `PYTHONPATH`, and from the paths of this interpreter, so that a package that is installed in
    place is imported from the snapshot and not from the user's folder.
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
    return list(found)


def _threads(capture: Capture, cpus: int) -> dict[str, str]:
    found: dict[str, str] = {}
    if capture.hardware is not None and capture.hardware.usable_cpus != cpus:
        found = dict.fromkeys((*_COUNTED, "POLARS_MAX_THREADS"), str(capture.hardware.usable_cpus))
    if capture.threads is not None:
        if "polars" in capture.threads.effective:
            found["POLARS_MAX_THREADS"] = str(capture.threads.effective["polars"])
        found |= capture.threads.asked
    return found
