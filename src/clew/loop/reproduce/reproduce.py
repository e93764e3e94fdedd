"""Repeats a run from what was recorded of it, and says how like the first time it was.

Code comes from the snapshot, data from the versions of the lineage, seeds and thread counts from the record; the
command runs again as a process of its own, in a clean folder and in a project of its own whose step cache is empty.
What cannot be re-created here (packages, Python, the machine) is compared, and named where it differs. Reasoning:
docs/explanation/reproduction.md.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from clew.core.contracts.stores import Stores
from clew.core.errors import Exists
from clew.loop.reproduce.compare import compare_metrics, compare_outputs, compare_steps, verdict_of
from clew.loop.reproduce.factors import changed_factors, divergence_of
from clew.loop.reproduce.pin import pinned_variables, source_paths
from clew.loop.reproduce.record import bring_home
from clew.loop.reproduce.recorded import Capture, Recorded, capture_of, check_repeatable, recorded_of
from clew.loop.reproduce.repeat import repeat
from clew.loop.reproduce.reproduction import Reproduction
from clew.loop.reproduce.restore import lay_out
from clew.loop.reproduce.room import OpenRoom, furnish, place_of_room
from clew.loop.reproduce.scene import scene_of
from clew.tracking.capture.hardware import take_hardware
from clew.tracking.runs import LedgerRuns

__all__ = ["TOLERANCE", "reproduce"]

TOLERANCE = 1e-6
"""How far a metric may be off, relative to its value, to count as within tolerance."""


def reproduce(
    stores: Stores,
    run: str,
    *,
    open_room: OpenRoom,
    keep: Path | None = None,
    tolerance: float = TOLERANCE,
    tell: Callable[[str], None] = lambda _: None,
) -> Reproduction:
    """Repeat a run and compare.

    Args:
        stores: the project.
        run: id, its beginning, or name.
        open_room: makes the project in which the run is repeated.
        keep: an empty or new folder to lay code and data out in, which stays; a temporary one when None.
        tolerance: relative difference of metrics that counts as none.
        tell: hears what is going on.

    Raises:
        NotFound: there is no such run.
        Invalid: it did not record enough, or is of a kind that cannot be repeated.
        Conflict: it has not finished.
        Exists: the folder to keep holds something.
        Failed: the command failed this time.
    """
    original = LedgerRuns(stores).get(run)
    was = capture_of(stores, original)
    source, command = check_repeatable(original, was)
    scene = scene_of(original, source, command)
    recorded = recorded_of(stores, original)
    started_us = stores.clock.now_us()
    with _folder(keep) as folder:
        tell(f"laying out {len(source.files)} source files and {_named(recorded)} in {folder}")
        notes = lay_out(stores.objects, source, scene, recorded, folder)
        top = place_of_room(folder, Path(scene.root), stores.folder.parent)
        with open_room(top) as room:
            furnish(room, stores, until_us=_until_us(recorded))
            paths = source_paths(was, scene, folder)
            seeds, cpus = original.capture.get("seeds"), take_hardware().usable_cpus
            variables = pinned_variables(os.environ, was, seeds=seeds, cpus=cpus, paths=paths)
            tell(f"running {scene.pipeline or ' '.join(scene.words)} again")
            repeated = repeat(room, original, scene, folder, variables=variables)
            now = recorded_of(room, repeated)
            tell("comparing")
            sides = _Sides(recorded, was, now, capture_of(room, repeated), places=(str(scene.root), str(folder)))
            found = _compared(stores, sides, tolerance=tolerance)
    found = msgspec.structs.replace(
        found,
        notes=notes,
        started_us=started_us,
        ended_us=stores.clock.now_us(),
        folder=str(keep) if keep is not None else "",
    )
    bring_home(stores, original, now, found)
    return found


@dataclass(frozen=True)
class _Sides:
    """The first time, and now; `places` are the folders that the source lay in."""

    recorded: Recorded
    was: Capture
    now: Recorded
    again: Capture
    places: tuple[str, str]


def _compared(stores: Stores, sides: _Sides, *, tolerance: float) -> Reproduction:
    recorded, now = sides.recorded, sides.now
    steps = compare_steps(recorded.steps, now.steps)
    outputs = compare_outputs(stores.objects, recorded, now)
    metrics = compare_metrics(stores.objects, recorded, now)
    divergence = divergence_of(steps, outputs, metrics, recorded=recorded, now=now, places=sides.places)
    return Reproduction(
        run=recorded.run.id,
        name=recorded.run.name,
        repeated=now.run.id,
        verdict=verdict_of(steps, outputs, metrics, tolerance=tolerance),
        tolerance=tolerance,
        steps=steps,
        outputs=outputs,
        metrics=metrics,
        divergence=divergence,
        factors=changed_factors(recorded, sides.was, now, sides.again),
        notes=[],
        started_us=0,
        ended_us=0,
    )


def _until_us(recorded: Recorded) -> int:
    """The time as of which names are resolved: the start of the run, or when the last of its inputs was there."""
    others = [version.created_us for version in recorded.inputs if version.run != recorded.run.id]
    return max([recorded.run.created_us, *others])


def _named(recorded: Recorded) -> str:
    return ", ".join(version.reference for version in recorded.inputs) or "no data"


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """The clean folder; a temporary one is gone afterwards, however it ends."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="clew-", ignore_cleanup_errors=True) as name:
            yield Path(name).resolve()
        return
    if keep.exists() and any(keep.iterdir()):
        raise Exists("folder", str(keep), hint="name one that is empty or new")
    keep.mkdir(parents=True, exist_ok=True)
    yield keep.resolve()
