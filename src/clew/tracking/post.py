"""Carries what waits in an outbox to the services: bytes first, then the messages that name them.

Not the outbox (`outbox`). What the services refuse for good is set aside and said, so that one message that nobody can
take does not hold up all the others; what they cannot take now stays where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from clew.core.contracts.objects import Objects
from clew.core.contracts.services import RunService
from clew.core.errors import Conflict, Corrupt, Exists, Invalid, Unavailable
from clew.core.ids import Digest
from clew.core.types.run import Run, RunStatus
from clew.store.objects.local import LocalObjects
from clew.tracking.messages import Begin, Describe, Keep, Message, Stop, hand_over
from clew.tracking.outbox import Outbox

__all__ = ["Post"]

_FOR_GOOD = (Conflict, Corrupt, Exists, Invalid)
_SMALL_BYTES, _BATCH_BYTES = 1 << 20, 8 << 20


class Post:
    """Hands over what waits in one outbox.

    Args:
        outbox: where messages wait.
        kept: where bytes wait.
        runs: who takes messages.
        objects: who takes bytes.
        say: told of what was refused for good.
    """

    def __init__(
        self, outbox: Outbox, kept: LocalObjects, runs: RunService, objects: Objects, say: Callable[[str], None]
    ) -> None:
        self._outbox, self._kept, self._runs, self._objects, self._say = outbox, kept, runs, objects, say
        self._sent: set[Digest] = set()
        self.delivered = 0

    @property
    def waits(self) -> bool:
        """Whether there is something to hand over."""
        return len(self._outbox) > 0

    def deliver(self, *, to_end: bool) -> None:
        """Hand over what waits.

        Args:
            to_end: the end of the run too, which goes behind its points.

        Raises:
            ClewError: the services do not take it now; it waits on.
        """
        while (message := self._outbox.first()) is not None:
            if isinstance(message, Stop) and not to_end:
                return
            self._send_bytes_of(message)
            try:
                self._hand_over(message)
            except _FOR_GOOD as error:
                self._set_aside(message, error)
            self._outbox.done()
            self.delivered += 1

    def _hand_over(self, message: Message) -> None:
        """Tell the services; a run that they believe to be lost was silent, no more than that, and runs again."""
        try:
            hand_over(self._runs, message)
        except Conflict:
            run = _run_of(message)
            if self._runs.get(run).status is not RunStatus.LOST:
                raise
            self._runs.beat(run)
            hand_over(self._runs, message)

    def _send_bytes_of(self, message: Message) -> None:
        """Send the bytes that a message names, with those of all files that wait: one by one takes long."""
        match message:
            case Keep() if message.artifact.digest not in self._sent:
                named = {each.artifact.digest for each in self._outbox.all() if isinstance(each, Keep)}
                self._send_bytes(named - self._kept.missing(named))
            case Begin(run=Run(capture=capture)) | Describe(capture=capture) if capture:  # which name others in turn
                self._send_bytes(self._kept.list())

    def _send_bytes(self, digests: Iterable[Digest]) -> None:
        here = [digest for digest in digests if digest not in self._sent]
        missing = self._objects.missing(here) if here else set()
        large = [digest for digest in here if digest in missing and self._kept.size(digest) > _SMALL_BYTES]
        for digest in large:
            self._send_large(digest)
        for some in self._batches(missing.difference(large)):
            with self._objects.batch() as batch:
                for digest in some:
                    batch.put(self._kept.get(digest))
        if missing and self._objects.missing(missing):
            raise Unavailable("the server does not have what was sent to it")
        self._sent.update(here)

    def _batches(self, digests: set[Digest]) -> Iterator[list[Digest]]:
        some: list[Digest] = []
        size = 0
        for digest in sorted(digests):
            some.append(digest)
            size += self._kept.size(digest)
            if size >= _BATCH_BYTES:
                yield some
                some, size = [], 0
        if some:
            yield some

    def _send_large(self, digest: Digest) -> None:
        path = self._kept.find_path(digest)
        if path is not None:
            self._objects.put_file(path)
            return
        copy = self._kept.folder / f"{digest}.copy"
        try:
            self._kept.save(digest, copy)
            self._objects.put_file(copy)
        finally:
            copy.unlink(missing_ok=True)

    def _set_aside(self, message: Message, error: Exception) -> None:
        aside = self._outbox.path.with_suffix(".refused")
        line = msgspec.json.encode({"message": message, "reason": str(error)}) + b"\n"
        try:
            with aside.open("ab") as file:
                file.write(line)
        except OSError:
            aside = Path()
        kept = f"; kept in {aside}" if aside.name else ""
        self._say(f"what the run said was refused: {error}{kept}")


def _run_of(message: Message) -> str:
    match message:
        case Begin():
            return message.run.id
        case Keep():
            return message.artifact.run
    return message.run
