"""How one run of this process reaches its project: at once where the stores are in reach, by an outbox otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from clew.core.contracts.objects import Objects
from clew.core.contracts.services import RunWriter
from clew.tracking.adopt import journals_folder
from clew.tracking.journal import Journal
from clew.tracking.kept import KeptObjects
from clew.tracking.posted import PostedRuns
from clew.tracking.recorder import Recorder

__all__ = ["Line", "open_line"]


@dataclass(frozen=True, kw_only=True)
class Line:
    """The journal of a run, and who takes what it says. `posted` is what carries the rest, where there is an outbox."""

    recorder: Recorder
    journal: Journal
    runs: RunWriter
    objects: Objects
    posted: PostedRuns | None
    say: Callable[[str], None]

    def close(self, *, delete: bool) -> None:
        """Let go of the journal; what is not deleted is brought home by who adopts it."""
        if self.posted is not None:
            self.posted.close(delete=delete)
        self.journal.close(delete=delete)
        if delete:
            with suppress(OSError):
                self.journal.folder.rmdir()

    @contextmanager
    def closed_by_errors(self, *, delete: bool) -> Iterator[None]:
        """Let go of the journal where the block fails; who adopts one that is not deleted ends its run."""
        try:
            yield
        except BaseException:
            self.close(delete=delete)
            raise


def open_line(recorder: Recorder, run: str, say: Callable[[str], None], *, main: bool, child: bool = False) -> Line:
    """Open the journal of a run, so that its lock says that this process lives.

    Args:
        recorder: the project's.
        run: id of the run.
        say: told what a person should know.
        main: whether the run ends with this process.
        child: whether others of the run drain the journal.
    """
    journal = Journal(journals_folder(recorder.folder, run), run, say=say, main=main, child=child)
    journal.open()
    if not recorder.outbox:
        return Line(
            recorder=recorder, journal=journal, runs=recorder.runs, objects=recorder.objects, posted=None, say=say
        )
    objects = KeptObjects(recorder.objects, journal)
    posted = PostedRuns(recorder.runs, objects, recorder.objects, journal, say, ask=recorder.ask)
    return Line(recorder=recorder, journal=journal, runs=posted, objects=objects, posted=posted, say=say)
