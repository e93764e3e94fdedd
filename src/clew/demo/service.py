"""The endpoint and the worker of the project, as processes of their own that the replay keeps running and waits for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import msgspec

from clew.core.contracts.ledger import Durability
from clew.core.errors import Failed, NotFound, Unavailable
from clew.core.types.endpoint import Endpoint
from clew.core.types.job import Job, JobState
from clew.demo.caller import Caller, Serving
from clew.demo.prepare import BASELINE, CHAMPION, MODEL
from clew.demo.program import Program
from clew.serving.compaction import journal_folder
from clew.serving.endpoint import find_endpoint
from clew.serving.server import Address

if TYPE_CHECKING:
    from clew.core.contracts.stores import Stores
    from clew.workspace import Workspace

__all__ = ["CHALLENGER", "Service"]

CHALLENGER = "challenger"
T = TypeVar("T")
_NAP_S = 0.005
_PATIENCE_S = 60.0
_UNFINISHED = (JobState.QUEUED, JobState.LEASED)


class Service:
    """`clew serve` and `clew worker` beside this process.

    Args:
        workspace: the project.
        tell: told when a program had to be started again.
    """

    def __init__(self, workspace: Workspace, *, tell: Callable[[str], None]) -> None:
        logs = workspace.folder / "demo"
        self._stores: Stores = workspace.stores
        self._tell = tell
        serve = ["serve", f"{MODEL}@{CHAMPION}", "--port", "0"]
        self._serve = Program(serve, folder=workspace.root, log=logs / "serve.log")
        self._worker = Program(["worker", "--every", "0"], folder=workspace.root, log=logs / "worker.log")
        self._caller: Caller | None = None

    def start(self) -> Endpoint:
        """Start both, and wait until the endpoint answers; returns it."""
        self._worker.ensure()
        self.caller()
        return find_endpoint(self._stores, MODEL)

    def stop(self) -> None:
        """End both."""
        if self._caller is not None:
            self._caller.close()
        self._serve.stop()
        self._worker.stop()

    def caller(self) -> Caller:
        """A client of the endpoint that runs; one that died is started again first.

        Raises:
            Unavailable: it does not come up.
        """
        if self._caller is not None and self._serve.pid:
            return self._caller
        if self._caller is not None:
            self._caller.close()
        again = self._serve.starts > 0
        self._serve.ensure()
        self._caller = Caller(self._wait(self._url, "the endpoint does not answer", self._serve))
        if again:
            self._tell("the endpoint was gone and is back")
        return self._caller

    def give_up(self) -> None:
        """End an endpoint that did not answer: whatever it has not logged by now it never will."""
        self._serve.kill()

    def look(self, until_us: int) -> None:
        """Have the worker look at the endpoint, as of a moment of event time, and wait for it.

        Raises:
            Failed: the look ended with an error.
        """
        args: dict[str, object] = {"endpoint": MODEL, "until_us": until_us}
        now_us = self._stores.clock.now_us()
        job = Job(
            id=self._stores.ids(),
            project=self._stores.project,
            kind="watch",
            key=f"watch/{MODEL}",
            args=args,
            state=JobState.QUEUED,
            due_us=now_us,
            created_us=now_us,
        )
        self.finish_jobs()
        with self._stores.ledger.write(Durability.KILL) as tx:  # a look that is lost is asked for again
            queued = tx.jobs.queue(job)
        self.finish_jobs()
        if not queued:  # somebody else asked for a look between the two: ours is still to come
            self.look(until_us)
            return
        with self._stores.ledger.read() as tx:
            done = tx.jobs.get(job.id)
        if done.state is JobState.FAILED:
            raise Failed(f"the worker could not look at the endpoint: {done.reason}", hint=f"see {self._worker.log}")

    def finish_jobs(self) -> None:
        """Wait until the worker has nothing left to do; one that died is started again."""
        while self._unfinished():
            if self._worker.ensure():
                self._tell("the worker was gone and is back, and takes up what it had in hand")
            time.sleep(_NAP_S)

    def settle(self) -> Serving:
        """Wait until the endpoint runs what the aliases name; returns what it runs.

        Raises:
            Unavailable: it does not come to that.
        """
        return self._wait(self._settled, "the endpoint does not run what the aliases name", self._serve)

    def _settled(self) -> Serving | None:
        with self._stores.ledger.read() as tx:
            model = tx.models.find(self._stores.project, MODEL)
            held = {move.alias: move.number for move in tx.models.aliases(model.id)} if model else {}
        wanted = list(dict.fromkeys(held[alias] for alias in (CHALLENGER, BASELINE) if alias in held))
        champion = held[CHAMPION]
        try:
            serving = self.caller().serving()
        except Unavailable:
            return None
        runs = serving.version == champion and serving.shadows == [n for n in wanted if n != champion]
        return serving if runs else None

    def _unfinished(self) -> bool:
        with self._stores.ledger.read() as tx:
            return any(tx.jobs.list(self._stores.project, state=state, limit=1) for state in _UNFINISHED)

    def _url(self) -> str | None:
        """Where our replica answers, once it does."""
        try:
            endpoint = find_endpoint(self._stores, MODEL)
        except NotFound:
            return None
        for path in journal_folder(self._stores, endpoint.id).glob("*/address.json"):
            try:
                address = msgspec.json.decode(path.read_bytes(), type=Address)
            except FileNotFoundError:
                continue
            if address.pid == self._serve.pid and _answers(address.url):
                return address.url
        return None

    def _wait(self, found: Callable[[], T | None], problem: str, program: Program) -> T:
        """Ask again and again until there is an answer.

        Raises:
            Unavailable: there is none for a long time; the end of the program's output is part of the error.
        """
        until = time.monotonic() + _PATIENCE_S
        while (answer := found()) is None:
            if time.monotonic() > until:
                raise Unavailable(f"{problem}:\n{program.tail()}", hint=f"see {program.log}")
            program.ensure()
            time.sleep(_NAP_S)
        return answer


def _answers(url: str) -> bool:
    caller = Caller(url)
    try:
        caller.serving()
    except Unavailable:
        return False
    finally:
        caller.close()
    return True
