"""Finding and keeping results. Design: docs/design/cache-key.md, "Observed reads".

Under the key of a call lies either its output or the names of the reads that executions under this key have made.
Then the key is extended by what these give now, and the search goes on there. So a result is found only when
everything that its execution read still gives the same, although the key did not know of it before.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from clew.core.contracts.objects import Objects
from clew.core.contracts.services import StepService
from clew.core.errors import Corrupt, NotFound
from clew.core.hashing import hash_bytes
from clew.core.ids import Digest
from clew.core.types.step import StepEntry, StepOutput
from clew.pipelines.closure import Closure
from clew.pipelines.key import Key
from clew.pipelines.reads import Read, extended, give

__all__ = ["CLOSURE", "INLINE_BYTES", "READS", "Results", "Stamp", "Trail", "closure_entry"]

INLINE_BYTES = 2048
READS = "reads"
CLOSURE = "closure"
_LONGEST_TRAIL = 32


@dataclass(slots=True)
class Trail:
    """Where the search for a result has led: the last key, the reads on the way, and the entry if there is one."""

    key: Digest
    reads: dict[str, str] = field(default_factory=dict)
    entry: StepEntry | None = None
    length: int = 0


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an entry says beside its content."""

    project: str
    run: str
    step: str
    created_us: int
    duration_us: int


class Results:
    """The results of steps, by key.

    Args:
        steps: where entries are.
        objects: where outputs of more than `INLINE_BYTES` are.
    """

    def __init__(self, steps: StepService, objects: Objects) -> None:
        self._steps, self._objects = steps, objects

    def find(self, key: Digest) -> Trail:
        """Follow a key to its result, or to where one would be."""
        trail = Trail(key)
        while trail.length < _LONGEST_TRAIL:
            entry = self._steps.find(trail.key)
            if entry is None or entry.output.codec != READS:
                trail.entry = entry
                return trail
            given = {read.ingredient: give(read) for read in _names(entry)}
            trail.reads.update(given)
            trail.key, trail.length = extended(trail.key, given), trail.length + 1
        return trail

    def bytes_of(self, output: StepOutput) -> bytes:
        """The bytes of an output.

        Raises:
            NotFound: its object is gone.
            Corrupt: its bytes are not what they were.
        """
        if output.inline is None:
            return self._objects.get(output.digest)
        if hash_bytes(output.inline) != output.digest:
            raise Corrupt(f"the output {output.digest} in the ledger does not match its digest")
        return output.inline

    def readable(self, output: StepOutput) -> bytes | None:
        """The bytes of an output, None when they are gone or damaged: it has to be made again."""
        try:
            return self.bytes_of(output)
        except (NotFound, Corrupt):
            return None

    def store(self, codec: str, data: bytes) -> StepOutput:
        """Store the bytes of an output: small ones within the entry."""
        if len(data) <= INLINE_BYTES:
            return StepOutput(codec=codec, digest=hash_bytes(data), size_bytes=len(data), inline=data)
        return StepOutput(codec=codec, digest=self._objects.put(data), size_bytes=len(data))

    def entries(
        self, trail: Trail, key: Key, given: dict[Read, str], output: StepOutput, stamp: Stamp
    ) -> list[StepEntry]:
        """The entries under which a new result is found again.

        Args:
            trail: where the search ended without one.
            key: of the call.
            given: the reads that the execution made, with what they gave.
            output: the result.
            stamp: who made it when.
        """
        new = {read: digest for read, digest in sorted(given.items()) if read.ingredient not in trail.reads}
        ingredients = {**key.ingredients, **trail.reads}
        if not new:
            return [_entry(trail.key, output, ingredients, stamp)]
        named = {read.ingredient: digest for read, digest in new.items()}
        names = msgspec.msgpack.encode(list(new))
        pointer = StepOutput(codec=READS, digest=hash_bytes(names), size_bytes=len(names), inline=names)
        before, trail.key = trail.key, extended(trail.key, named)
        trail.reads.update(named)
        quiet = Stamp(stamp.project, stamp.run, "", stamp.created_us, 0)
        return [_entry(before, pointer, {}, quiet), _entry(trail.key, output, {**ingredients, **named}, stamp)]


def closure_entry(closure: Closure, stamp: Stamp) -> StepEntry:
    """The entry that keeps the ingredients of a closure, once for all calls that share it."""
    output = StepOutput(codec=CLOSURE, digest=closure.digest, size_bytes=0, inline=b"")
    quiet = Stamp(stamp.project, stamp.run, "", stamp.created_us, 0)
    return _entry(closure.digest, output, closure.ingredients, quiet)


def _entry(key: Digest, output: StepOutput, ingredients: dict[str, str], stamp: Stamp) -> StepEntry:
    return StepEntry(
        key=key,
        project=stamp.project,
        step=stamp.step,
        output=output,
        ingredients=ingredients,
        run=stamp.run,
        created_us=stamp.created_us,
        duration_us=stamp.duration_us,
    )


def _names(entry: StepEntry) -> list[Read]:
    try:
        return msgspec.msgpack.decode(entry.output.inline or b"", type=list[Read])
    except msgspec.DecodeError as error:
        raise Corrupt(f"the entry {entry.key} of step {entry.step} does not list what it read: {error}") from error
