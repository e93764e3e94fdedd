"""Runs as a process sees them that never waits for a server: what it says goes into its outbox.

The same contract as the service behind. What is read comes from here where it is here, and from there otherwise.
Not where bytes wait (`kept`), nor who carries all of it there (`post`, by the thread of `drain`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence

import msgspec

from clew.core.contracts.objects import Objects
from clew.core.contracts.services import RunService
from clew.core.errors import Unavailable
from clew.core.ids import Digest
from clew.core.types.edge import Node, Role
from clew.core.types.run import Artifact, Run, RunStatus, Scalar
from clew.core.types.series import SeriesBlock
from clew.tracking.adopt import bring_home
from clew.tracking.described import check_running, described
from clew.tracking.here import known_here, messages_here
from clew.tracking.journal import Journal
from clew.tracking.kept import KeptObjects
from clew.tracking.messages import Begin, Describe, Fork, Keep, Link, Message, Resume, Stop
from clew.tracking.outbox import Outbox, outbox_path
from clew.tracking.post import Post

__all__ = ["PostedRuns"]


class PostedRuns:
    """The half of `clew.core.contracts.services.RunService` that a process needs that runs, for its own run.

    Args:
        behind: the services of the project.
        objects: where bytes wait.
        sink: the objects of the project.
        journal: of this process; open, so that its lock says that it lives.
        say: told what a person should know.
        ask: asks the services what the run waits for.
    """

    def __init__(
        self,
        behind: RunService,
        objects: KeptObjects,
        sink: Objects,
        journal: Journal,
        say: Callable[[str], None],
        *,
        ask: Callable[[Callable[[], Run]], Run],
    ) -> None:
        self._ask = ask
        self._behind, self._objects, self._sink, self._journal, self._say = behind, objects, sink, journal, say
        self._run: Run | None = None
        self._owner = os.getpid()
        self._goes_on = False
        self._outbox, self._post = self._open()

    def _open(self) -> tuple[Outbox, Post]:
        outbox = Outbox(outbox_path(self._journal.folder, self._journal.id), self._say)
        return outbox, Post(outbox, self._objects.kept, self._behind, self._sink, self._say)

    def _add(self, message: Message) -> None:
        if os.getpid() != self._owner:  # a forked child says what it says in an outbox of its own
            self._owner = os.getpid()
            self._journal.open()
            self._outbox, self._post = self._open()
        self._outbox.add(message)

    @property
    def waits(self) -> bool:
        """Whether there is something to hand over."""
        return len(self._outbox) > 0

    def deliver(self, *, to_end: bool) -> None:
        """Hand over what waits, with or without the end of the run.

        Raises:
            ClewError: the services do not take it now.
        """
        if self._goes_on:  # what the processes before this one have said comes first
            bring_home(self._behind, self._sink, self._journal.folder, self._say)
            self._goes_on = False
        self._post.deliver(to_end=to_end)

    def close(self, *, delete: bool) -> None:
        """Let go of the outbox, and of the bytes beside it where all of it was handed over."""
        if os.getpid() != self._owner:  # a forked child that said nothing: what is here is its parent's
            return
        self._outbox.close(delete=delete)
        if delete:
            shutil.rmtree(self._objects.kept.folder, ignore_errors=True)

    @property
    def experiment(self) -> str:
        """The name of the run's experiment, as the processes of this machine have said it."""
        messages = messages_here(self._journal.folder)
        named = [each.experiment for each in messages if isinstance(each, Begin | Describe) and each.experiment]
        return named[-1] if named else ""

    def create(self, run: Run, *, experiment: str) -> Run:
        # Ranks that are started again begin their run once more.
        self._goes_on = any(isinstance(message, Begin) for message in messages_here(self._journal.folder))
        self._run = run
        self._add(Begin(run=run, experiment=experiment))
        return run

    def get(self, id: str) -> Run:
        """A run of before: what the server says of it, or this machine where that does not answer."""
        try:
            return self._ask(lambda: self._behind.get(id))
        except Unavailable:
            return self._mine()

    def append(self, blocks: Sequence[SeriesBlock]) -> None:
        """Add blocks at the other end, behind what the run has said before."""
        self.deliver(to_end=False)
        self._behind.append(blocks)

    def describe(
        self,
        run: str,
        *,
        params: Mapping[str, Scalar] | None = None,
        tags: Mapping[str, str] | None = None,
        capture: Mapping[str, Digest] | None = None,
        commit: str | None = None,
        name: str | None = None,
        experiment: str | None = None,
    ) -> Run:
        before = self._mine()
        check_running(before)  # nothing carries what is said later
        after = described(before, params=params, tags=tags, capture=capture, commit=commit, name=name)
        if after != before or experiment is not None:
            self._run = after
            self._add(
                Describe(
                    run=run,
                    params=dict(params) if params else None,
                    tags=dict(tags) if tags else None,
                    capture=dict(capture) if capture else None,
                    commit=commit,
                    name=name,
                    experiment=experiment,
                )
            )
        return after

    def add_artifact(self, artifact: Artifact) -> None:
        check_running(self._mine())
        self._add(Keep(artifact=artifact))

    def link(self, run: str, node: Node, role: Role) -> None:
        check_running(self._mine())
        self._add(Link(run=run, node=node, role=role))

    def finish(self, run: str, status: RunStatus, *, ended_us: int, reason: str = "") -> Run:
        before = self._renamed(self._mine())
        check_running(before)
        self._run = msgspec.structs.replace(before, status=status, ended_us=ended_us, reason=reason)
        self._add(Stop(run=run, status=status, ended_us=ended_us, reason=reason))
        return self._run

    def resume(self, run: str) -> Run:
        self._run = msgspec.structs.replace(self.get(run), status=RunStatus.RUNNING, ended_us=0, reason="")
        self._goes_on = True
        self._add(Resume(run=run))
        return self._run

    def fork(self, run: str, *, of: str, step: float) -> Run:
        self._add(Fork(run=run, of=of, step=step))
        return self._mine()

    def beat(self, run: str) -> Run:
        """Give a sign of life at the other end, and hear what it knows of the run."""
        return self._behind.beat(run)

    def _renamed(self, run: Run) -> Run:
        """The run with the name that another process of it has given, as far as that still waits here."""
        given = [message.name for message in messages_here(self._journal.folder) if isinstance(message, Describe)]
        names = [name for name in given if name]
        return msgspec.structs.replace(run, name=names[-1]) if names else run

    def _mine(self) -> Run:
        """The run as this machine knows it: from its own outboxes, since it may be that nobody else can be asked."""
        if self._run is None:
            self._run = known_here(self._journal.folder, self._journal.run)
        return self._run
