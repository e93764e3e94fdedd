"""What this machine knows of runs that wait on it, when nobody else can be asked: what their processes have said.

Read from journals and outboxes, of which nothing is changed. Not who brings them home (`adopt`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from clew.core.errors import Conflict, Corrupt, NotFound
from clew.core.types.run import Run, RunKind, RunStatus
from clew.store.objects.local import LocalObjects
from clew.tracking.adopt import journals_folder
from clew.tracking.described import described
from clew.tracking.kept import kept_folder
from clew.tracking.messages import Begin, Describe, Keep, Message
from clew.tracking.outbox import read_outbox
from clew.tracking.segment import read_segment
from clew.tracking.slots import Slots, parse_slots

__all__ = ["file_here", "find_here", "known_here", "messages_here", "steps_here"]


def messages_here(folder: Path) -> list[Message]:
    """What the processes of a run have said, in the order in which they began."""
    return [message for path in sorted(folder.glob("*.outbox")) for message in _said_in(path)]


def _said_in(outbox: Path) -> list[Message]:
    with suppress(FileNotFoundError):  # it came home meanwhile
        return [said.message for said in read_outbox(outbox, all=True)]
    return []


def known_here(folder: Path, run: str) -> Run:
    """A run as its processes have said it; where its beginning is not here, no more than its id."""
    messages = messages_here(folder)
    begun = next((message.run for message in messages if isinstance(message, Begin)), None)
    if begun is None:
        begun = Run(
            id=run,
            project="",
            experiment="",
            name=run,
            kind=RunKind.SCRIPT,
            status=RunStatus.RUNNING,
            created_us=0,
            created_by="",
        )
    for message in messages:
        if isinstance(message, Describe):
            given = msgspec.structs.asdict(message)
            words = {key: given[key] for key in ("params", "tags", "capture", "commit", "name")}
            with suppress(Conflict):  # as of ranks with a parameter each: the project refuses it too, and goes on
                begun = described(begun, **words)
    return begun


def find_here(folder: Path, word: str) -> list[Run]:
    """The runs that began on this machine and wait on it, by id, the beginning of it, or name; newest first.

    Args:
        folder: where the journals of the project lie on this machine.
        word: as a person gives it.
    """
    found = []
    root = journals_folder(folder)
    for place in sorted(root.iterdir(), reverse=True) if root.is_dir() else []:
        with suppress(OSError, Corrupt):
            known = known_here(place, place.name)
            if known.created_us and (known.name == word or (len(word) >= 4 and known.id.startswith(word))):
                found.append(known)
    return [run for run in found if run.name == word] or found


def steps_here(folder: Path) -> dict[str, int]:
    """The last step of each metric of a run, as far as its points wait here."""
    import numpy as np

    found: dict[str, int] = {}
    for slots in _slots_here(folder):
        keys, back = np.unique(slots.keys[::-1], return_index=True)
        last = len(slots.keys) - 1 - back
        steps = np.where(slots.float_step, slots.steps.view(np.float64), slots.steps)[last]
        found |= {slots.names[key]: int(step) for key, step in zip(keys.tolist(), steps.tolist(), strict=True)}
    return found


def _slots_here(folder: Path) -> Iterator[Slots]:
    for path in sorted(folder.glob("*.journal")):
        with suppress(OSError, Corrupt):
            segment = read_segment(path)
            if segment is not None:
                yield parse_slots(segment[1], segment[0].base, str(path))


def file_here(folder: Path, path: str) -> bytes:
    """What a run keeps under a path, as it was said last; empty where that does not wait here."""
    for outbox in sorted(folder.glob("*.outbox"), reverse=True):
        said = [each.artifact for each in _said_in(outbox) if isinstance(each, Keep)]
        files = [artifact for artifact in said if artifact.path == path]
        if files:
            with suppress(NotFound):
                return LocalObjects(kept_folder(folder, outbox.stem)).get(files[-1].digest)
    return b""
