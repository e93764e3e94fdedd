"""Everything that a run records about where it runs, taken at once and stored as objects."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from clew.core.contracts.objects import Objects
from clew.core.errors import Corrupt, NotFound
from clew.core.ids import Digest
from clew.core.types.run import Run
from clew.tracking.capture.command import take_command
from clew.tracking.capture.environment import take_environment
from clew.tracking.capture.hardware import take_hardware
from clew.tracking.capture.kernels import take_kernels
from clew.tracking.capture.seeds import take_seeds
from clew.tracking.capture.seen import Seen
from clew.tracking.capture.source import LeftOut, root_of, source_without_files, take_source
from clew.tracking.capture.threads import take_threads

__all__ = ["Snapshot", "read_aspect", "take_process", "take_snapshot"]

T = TypeVar("T")


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What was stored: aspect to object, the git commit, the words of the command, and secrets that were left out."""

    capture: dict[str, Digest]
    commit: str
    words: list[str]
    entry: str
    secrets: list[LeftOut]


def take_snapshot(
    objects: Objects,
    *,
    entry: Path | None,
    cache: Path | None,
    words: list[str] | None = None,
    variables: Mapping[str, str] | None = None,
    left_out: Collection[str] = (),
) -> Snapshot:
    """Store source, environment, hardware, threads, kernels, seeds and command of a process.

    Args:
        objects: where to.
        entry: the script that runs, if there is one.
        cache: a folder for what makes the next snapshot faster.
        words: script and arguments; those of this process when None.
        variables: environment of a process that has not started yet; this process is meant when None.
        left_out: aspects that are not stored. Commit and entry are known without the source too.
    """
    seeds = take_seeds(variables)
    command = take_command(words, variables)
    seen = Seen(cache / "source.seen" if cache is not None else None)
    root = root_of(entry, Path.cwd())
    source = source_without_files(root, entry) if "source" in left_out else take_source(objects, root, entry, seen)
    seen.save()
    take: dict[str, Callable[[], msgspec.Struct]] = {
        "source": lambda: source,
        "environment": take_environment,
        "hardware": take_hardware,
        "threads": lambda: take_threads(variables),
        "kernels": lambda: take_kernels(variables),
        "seeds": lambda: seeds,
        "command": lambda: command,
    }
    return Snapshot(
        capture=_store(objects, {name: taken() for name, taken in take.items() if name not in left_out}),
        commit=source.commit,
        words=command.words,
        entry=source.entry,
        secrets=[left for left in source.left_out if left.reason.startswith("secret: ")],
    )


def take_process(objects: Objects) -> dict[str, Digest]:
    """Store what only the process that trains can know, when another one has recorded the rest."""
    return _store(objects, {"threads": take_threads(), "kernels": take_kernels(), "seeds": take_seeds()})


def _store(objects: Objects, aspects: dict[str, msgspec.Struct]) -> dict[str, Digest]:
    encoded = {name: msgspec.json.encode(aspect, order="deterministic") for name, aspect in aspects.items()}
    with objects.batch() as batch:
        return {name: batch.put(data) for name, data in encoded.items()}


def read_aspect(objects: Objects, run: Run, aspect: str, type: type[T]) -> T:
    """One aspect of a run, such as `read_aspect(objects, run, "source", Source)`.

    Raises:
        NotFound: the run did not record it.
        Corrupt: the object is not what it should be.
    """
    if aspect not in run.capture:
        raise NotFound("capture", aspect, hint=f"run {run.name} recorded {', '.join(sorted(run.capture)) or 'nothing'}")
    try:
        return msgspec.json.decode(objects.get(run.capture[aspect]), type=type)
    except msgspec.DecodeError as error:
        raise Corrupt(f"aspect {aspect} of run {run.name} cannot be read: {error}") from None
