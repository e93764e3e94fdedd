"""Repeats a run from what was recorded of it, and says how like the first time it was.

Code comes from the snapshot, data from the versions of the lineage, packages from the recorded versions, seeds, thread
counts and kernels from the record; the command runs again as a process of its own, in a clean folder and in a project
of its own whose step cache is empty. What cannot be re-created here (the machine, a Python that is not installed) is
compared, and named where it differs. Reasoning: docs/explanation/reproduction.md.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec

from clew.core.contracts.stores import Stores
from clew.core.errors import Exists, Failed, Invalid
from clew.core.ids import Digest
from clew.core.types.dataset import DatasetVersion
from clew.core.types.run import Run
from clew.data.reference import resolve
from clew.loop.reproduce.certify import statement_of
from clew.loop.reproduce.compare import compare_metrics, compare_outputs, compare_steps, verdict_of
from clew.loop.reproduce.environment import Choice, Place, environments_folder, open_environment
from clew.loop.reproduce.factors import changed_factors, divergence_of
from clew.loop.reproduce.pin import kernel_variables, pinned_variables, source_paths, variables_of_place
from clew.loop.reproduce.record import bring_home
from clew.loop.reproduce.recorded import Capture, Recorded, capture_of, check_repeatable, recorded_of
from clew.loop.reproduce.repeat import ELSEWHERE, numpy_features, repeat
from clew.loop.reproduce.reproduction import Reproduction
from clew.loop.reproduce.restore import lay_out
from clew.loop.reproduce.room import OpenRoom, furnish, place_of_room
from clew.loop.reproduce.scene import Scene, scene_of
from clew.loop.reproduce.using import Using, overlay
from clew.store.signing import SigningKey, open_key
from clew.tracking.capture import Source, SourceFile
from clew.tracking.capture.hardware import take_hardware
from clew.tracking.certificate import make_certificate
from clew.tracking.runs import LedgerRuns

__all__ = ["TOLERANCE", "Options", "reproduce"]

TOLERANCE = 1e-6
"""How far a metric may be off, relative to its value, to count as within tolerance."""

_TOLD = 5
"""Of what changed, so many are named when the command fails."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a run is to be repeated.

    `keep` is an empty or new folder to lay code and data out in, which stays; a temporary one when None. `tolerance` is
    the relative difference of metrics that counts as none. `environment` says which packages, `using` what is changed
    on purpose. Environments are kept in `cache`; packages are also looked for in `packages`, folders of wheels.
    From a bundle come `files`, what the run read on disk, and `inside`, where its project lies below the source.
    """

    keep: Path | None = None
    tolerance: float = TOLERANCE
    environment: Choice = Choice.AUTO
    using: Using = field(default_factory=Using)
    cache: Path = field(default_factory=environments_folder)
    packages: Sequence[Path] = ()
    files: Sequence[SourceFile] | None = None
    inside: str = ""


def reproduce(
    stores: Stores,
    run: str,
    *,
    open_room: OpenRoom,
    options: Options | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Reproduction:
    """Repeat a run and compare.

    Args:
        stores: the project.
        run: id, its beginning, or name.
        open_room: makes the project in which the run is repeated.
        options: how; as it was when None.
        tell: hears what is going on.

    Raises:
        NotFound: there is no such run.
        Invalid: it did not record enough, or is of a kind that cannot be repeated; the signing key cannot be used.
        Conflict: it has not finished.
        Exists: the folder to keep holds something.
        Unavailable: a package of its environment cannot be had.
        Failed: the command failed this time.
    """
    options = options or Options()
    original = LedgerRuns(stores).get(run)
    was = capture_of(stores, original)
    source, command = check_repeatable(original, was)
    scene = scene_of(original, source, command)
    recorded = recorded_of(stores, original)
    key = open_key() if not options.using.words else None  # what was changed on purpose proves nothing
    instead = _instead(stores, recorded, options.using)
    changed = _changed(original, scene, options.using)
    place = open_environment(
        options.using.environment(was.environment),
        options.environment,
        cache=options.cache,
        folders=options.packages,
        tell=tell,
    )
    started_us = stores.clock.now_us()
    with _folder(options.keep) as folder:
        tell(f"laying out {len(source.files)} source files and {_named(recorded)} in {folder}")
        notes = [*place.notes, *_lay_out(stores, source, scene, recorded, options, folder)]
        project = Path(scene.root) / options.inside if options.inside else stores.folder.parent
        top = place_of_room(folder, Path(scene.root), project)
        with open_room(top) as room:
            furnish(room, stores, until_us=_until_us(recorded), instead=instead)
            variables, said = _variables(original, was, scene, folder, place)
            variables |= options.using.variables
            tell(f"running {scene.pipeline or ' '.join(scene.words)} again")
            repeated, failure = repeat(room, changed, scene, folder, variables=variables, python=place.python)
            now = recorded_of(room, repeated, instead=instead)
            sides = _Sides(recorded, was, now, capture_of(room, repeated), places=(str(scene.root), str(folder)))
            if failure:
                raise _failed(sides, failure)
            tell("comparing")
            found = _compared(stores, sides, tolerance=options.tolerance)
    found = msgspec.structs.replace(
        found,
        notes=[*notes, *said],
        started_us=started_us,
        ended_us=stores.clock.now_us(),
        folder=str(options.keep) if options.keep is not None else "",
        using=list(options.using.words),
        environment="present" if place.prefix is None else "recorded",
    )
    sign = None if key is None else partial(_sign, key, stores, found, sides)
    certificate = bring_home(stores, original, now, found, sign)
    return msgspec.structs.replace(found, certificate=certificate)


def _sign(key: SigningKey, stores: Stores, found: Reproduction, sides: _Sides, report: Digest) -> bytes:
    return make_certificate(key, statement_of(found, sides.recorded, sides.again, by=stores.actor, report=report))


def _instead(stores: Stores, recorded: Recorded, using: Using) -> dict[str, DatasetVersion]:
    with stores.ledger.read() as tx:
        references = {name: text if "@" in text else f"{name}@{text}" for name, text in using.data.items()}
        resolved = {name: resolve(tx, stores.project, text) for name, text in references.items()}
    return using.instead(recorded.inputs, resolved)


def _changed(run: Run, scene: Scene, using: Using) -> Run:
    """The run with the parameters that were asked for."""
    if not using.parameters:
        return run
    if not scene.pipeline:
        raise Invalid(f"run {run.name} is no pipeline: its parameters are words of a command", hint="clew run SCRIPT")
    return msgspec.structs.replace(run, params={**run.params, **using.parameters})


def _lay_out(
    stores: Stores, source: Source, scene: Scene, recorded: Recorded, options: Options, folder: Path
) -> list[str]:
    notes = lay_out(stores.objects, source, scene, recorded, folder, options.files)
    if options.using.source is not None:
        overlay(options.using.source, source, folder)
    return notes


def _variables(run: Run, was: Capture, scene: Scene, folder: Path, place: Place) -> tuple[dict[str, str], list[str]]:
    """The environment variables to repeat a run with, and what cannot be pinned."""
    hardware = take_hardware()
    paths, seeds = source_paths(was, scene, folder), run.capture.get("seeds")
    pinned = pinned_variables(os.environ, was, seeds=seeds, cpus=hardware.usable_cpus, paths=paths)
    kernels, why = kernel_variables(was, hardware, numpy_now=lambda: numpy_features(place.python))
    return {**pinned, **kernels, **variables_of_place(place, pinned)}, [why] if why else []


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
    factors = changed_factors(recorded, sides.was, now, sides.again)
    divergence = divergence_of(
        steps, outputs, metrics, recorded=recorded, now=now, places=sides.places, changed=factors
    )
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
        factors=factors,
        notes=[],
        started_us=0,
        ended_us=0,
    )


def _failed(sides: _Sides, why: str) -> Failed:
    """The command failed: what is not as it was is likelier to be behind it than anything else."""
    factors = changed_factors(sides.recorded, sides.was, sides.now, sides.again)
    more = f", and {len(factors) - _TOLD} more" if len(factors) > _TOLD else ""
    hint = f"not as it was: {', '.join(map(str, factors[:_TOLD]))}{more}" if factors else ELSEWHERE
    return Failed(f"run {sides.recorded.run.name} could not be repeated: {why}", hint=hint)


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
