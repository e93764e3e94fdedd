"""Jobs taken under leases and run, one at a time.

A job may run twice (a worker died, or was paused beyond its lease), so every handler is idempotent; the fence keeps
the slower one from storing its result. What handlers do is not here: `clew.worker.handlers`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import msgspec

from clew.core.contracts.ledger import Durability
from clew.core.contracts.stores import Stores
from clew.core.errors import ClewError, Conflict
from clew.core.types.job import Job, JobState
from clew.worker.presence import Presence

__all__ = ["Handler", "Worker", "queue"]

Handler = Callable[[Job], dict[str, object]]
"""Does the work of a job and returns what is to be remembered of it, as JSON values."""

_LEASE_US = 60_000_000
_MOST_ATTEMPTS = 3
_MANY = 10_000
_SHORTEST_NAP_S, _LONGEST_NAP_S = 0.005, 1.0
_log = logging.getLogger("clew.worker")


def queue(stores: Stores, kind: str, key: str, args: dict[str, object], *, due_us: int = 0) -> Job | None:
    """Ask for work, at once or from `due_us` on; None when an unfinished job has the key already."""
    job = Job(
        id=stores.ids(),
        project=stores.project,
        kind=kind,
        key=key,
        args=args,
        state=JobState.QUEUED,
        due_us=due_us,
        created_us=stores.clock.now_us(),
    )
    with stores.ledger.write() as tx:
        return job if tx.jobs.queue(job) else None


class Worker:
    """Takes jobs and runs them.

    Args:
        stores: the project.
        name: who holds the leases; unique among running workers.
        handlers: what to do for each kind of job.
        presence: tells which workers are gone; without it their jobs wait for their leases.
    """

    def __init__(
        self, stores: Stores, name: str, handlers: Mapping[str, Handler], *, presence: Presence | None = None
    ) -> None:
        self._stores, self._name, self._handlers, self._presence = stores, name, handlers, presence

    def run(self, stop: threading.Event, *, before: Callable[[], None] = lambda: None) -> None:
        """Work until `stop` is set. Looks again at once after a job, and ever less often while there is none.

        Args:
            stop: ends the work after the job at hand.
            before: called before each look, to queue what is scheduled.
        """
        nap_s = _SHORTEST_NAP_S
        while not stop.is_set():
            try:
                before()
                nap_s = _SHORTEST_NAP_S if self.step() else min(nap_s * 1.5, _LONGEST_NAP_S)
            except ClewError as error:  # a ledger that is busy, a disk that is full: not for ever
                _log.warning("the worker waits: %s", error.what)
                nap_s = _LONGEST_NAP_S
            stop.wait(nap_s)

    def drain(self, stop: threading.Event | None = None) -> int:
        """Run what is due now; returns how many jobs that were.

        Args:
            stop: ends the work after the job at hand.
        """
        done = 0
        while not (stop is not None and stop.is_set()) and self.step():
            done += 1
        return done

    def step(self) -> bool:
        """Run one job if one is due."""
        self._free_jobs_of_the_dead()
        if not self._due():
            return False
        now_us = self._stores.clock.now_us()
        with self._stores.ledger.write(Durability.KILL) as tx:
            job = tx.jobs.lease(self._stores.project, holder=self._name, now_us=now_us, until_us=now_us + _LEASE_US)
        if job is None:
            return False
        with self._kept(job):
            finished = self._run(job)
        try:
            with self._stores.ledger.write() as tx:
                tx.jobs.finish(finished)
        except Conflict as conflict:
            _log.warning("%s", conflict.what)
        return True

    def _free_jobs_of_the_dead(self) -> None:
        """Whoever is next may take what a worker of this machine held when it died."""
        dead = self._presence.dead() if self._presence is not None else []
        if not dead or self._presence is None:
            return
        now_us = self._stores.clock.now_us()
        with self._stores.ledger.write(Durability.KILL) as tx:
            for job in tx.jobs.list(self._stores.project, state=JobState.LEASED, limit=_MANY):
                if job.holder.rpartition("/")[2] in dead:
                    _log.warning("job %s is free again: its worker %s is gone", job.key, job.holder)
                    tx.jobs.renew(job, until_us=now_us)
        for worker in dead:
            self._presence.forget(worker)

    def _due(self) -> bool:
        """A look without a writer's lock: most looks find nothing."""
        now_us = self._stores.clock.now_us()
        with self._stores.ledger.read() as tx:
            return tx.jobs.due(self._stores.project, now_us=now_us)

    def _run(self, job: Job) -> Job:
        handler = self._handlers.get(job.kind)
        if handler is None:
            return _failed(job, f"nothing here handles jobs of kind {job.kind!r}")
        if job.attempts > _MOST_ATTEMPTS:
            return _failed(job, f"given up: {job.attempts - 1} workers took it and none finished; {job.reason}")
        try:
            return msgspec.structs.replace(job, state=JobState.DONE, result=handler(job))
        except ClewError as error:
            _log.warning("job %s failed: %s", job.key, error.what)
            return _failed(job, str(error))
        except Exception as error:  # noqa: BLE001 - one job's defect must not end the worker
            _log.exception("job %s failed", job.key)
            return _failed(job, f"{type(error).__name__}: {error}")

    @contextmanager
    def _kept(self, job: Job) -> Iterator[None]:
        """Renew the lease while the block runs."""
        stop = threading.Event()

        def renew() -> None:
            while not stop.wait(_LEASE_US / 3e6):
                try:
                    with self._stores.ledger.write(Durability.KILL) as tx:
                        tx.jobs.renew(job, until_us=self._stores.clock.now_us() + _LEASE_US)
                except ClewError as error:
                    _log.warning("the lease of %s could not be renewed: %s", job.key, error.what)

        thread = threading.Thread(target=renew, name="clew-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def _failed(job: Job, reason: str) -> Job:
    return msgspec.structs.replace(job, state=JobState.FAILED, reason=reason)
