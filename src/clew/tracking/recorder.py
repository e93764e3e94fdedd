"""What runs are recorded through: a project's runs and objects, wherever they are, and a local folder for journals."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from clew.core.clock import Clock
from clew.core.contracts.objects import Objects
from clew.core.contracts.services import RunService, Services
from clew.core.contracts.stores import Stores
from clew.core.errors import NotFound, Unavailable
from clew.core.ids import IdSource, is_id
from clew.tracking.adopt import bring_home, journals_folder
from clew.tracking.fork import fork_of
from clew.tracking.here import find_here
from clew.tracking.patience import Patience
from clew.tracking.runs import LedgerRuns

__all__ = ["Recorder"]

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Recorder:
    """Runs, objects, and where time, ids and names come from.

    `runs` and `objects` may be in place or at the other end of HTTP. `folder` is local: journals and caches lie in it.
    With `outbox`, runs of this process never wait for them: what they say is kept in the folder and sent in the
    background, for at most `wait_s` at their end; one that goes on or forks asks with `patience`. `console` and
    `system` say whether runs record what they print and what the machine does, unless they record nothing at all;
    `left_out` are aspects that they do not record.
    """

    runs: RunService
    objects: Objects
    clock: Clock
    ids: IdSource
    project: str
    actor: str
    folder: Path
    outbox: bool = False
    wait_s: float = 30.0
    console: bool = True
    system: bool = True
    left_out: frozenset[str] = frozenset()
    patience: Patience = field(default_factory=Patience)

    def ask(self, question: Callable[[], T]) -> T:
        """What the project says, as a run asks that starts: with an outbox it goes on soon without an answer.

        Raises:
            Unavailable: it says nothing.
        """
        return self.patience.ask(question) if self.outbox else question()

    def id_of(self, run: str) -> str:
        """The id of a run by id, the beginning of it, or name; nobody elsewhere is asked for what is an id already.

        Raises:
            NotFound: there is no such run, neither in the project nor waiting on this machine.
            Unavailable: none waits on this machine, and the project cannot be asked.
        """
        if self.outbox and is_id(run):
            return run
        found = find_here(self.folder, run)
        try:
            found.append(self.ask(lambda: self.runs.get(run)))
        except NotFound:
            if not found:
                raise
        except Unavailable as error:
            if not found:
                what = f"no run {run!r} waits on this machine, and its project cannot be asked: {error.what}"
                raise Unavailable(what, hint="give the id of the run, all 32 digits of it") from None
        return max(found, key=lambda each: each.created_us).id

    def trunk_of(self, fork: str, say: Callable[[str], None]) -> tuple[str, float]:
        """The id of the run that `RUN@step` forks from, which is brought home if it waits here, and the step.

        Raises:
            Invalid: it has another form.
            NotFound: there is no such run.
        """
        run, step = fork_of(fork)
        trunk = self.id_of(run)
        self.bring_home(trunk, say)
        return trunk, step

    def bring_home(self, run: str, say: Callable[[str], None]) -> None:
        """Store what processes of a run that are gone have left here; it waits on while the project is out of reach."""
        folder = journals_folder(self.folder, run)
        with suppress(Unavailable):
            if self.outbox and folder.is_dir():  # much may wait: it is sent to who answers
                with suppress(NotFound):
                    self.ask(lambda: self.runs.get(run))
            bring_home(self.runs, self.objects, folder, say)

    @classmethod
    def of(cls, stores: Stores) -> Recorder:
        """The recorder of a project whose stores are in reach."""
        return cls(
            runs=LedgerRuns(stores),
            objects=stores.objects,
            clock=stores.clock,
            ids=stores.ids,
            project=stores.project,
            actor=stores.actor,
            folder=stores.folder,
        )

    @classmethod
    def over(cls, project: Services) -> Recorder:
        """The recorder of a project, wherever it is."""
        return cls(
            runs=project.runs,
            objects=project.objects,
            clock=project.clock,
            ids=project.ids,
            project=project.project,
            actor=project.actor,
            folder=project.folder,
        )
