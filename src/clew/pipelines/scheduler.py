"""Submitted steps: each starts when what it waits for is there, in whatever process is free.

One coordinating thread looks results up and keeps them, so that the ledger has one writer; the pipeline's own thread
goes on. Only so many steps are handed out at once as keep the workers busy, so that memory does not grow with the
pipeline.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any

from clew.core.errors import ClewError, Unavailable
from clew.pipelines.attempt import Attempt
from clew.pipelines.call import Call
from clew.pipelines.executors import ProcessExecutor, Target, target_of
from clew.pipelines.observer import disown
from clew.pipelines.pending import Pending, pendings, resolved

if TYPE_CHECKING:
    from clew.pipelines.session import Session
    from clew.pipelines.step import Step

__all__ = ["Scheduler"]

_AHEAD = 4


class Scheduler:
    """Runs submitted steps in worker processes.

    Args:
        session: that they belong to.
        workers: how many processes.
    """

    def __init__(self, session: Session, workers: int) -> None:
        self._session = session
        self._executor = ProcessExecutor(workers)
        self._coordinator = ThreadPoolExecutor(1, thread_name_prefix="clew-steps", initializer=disown)
        self._slots = threading.Semaphore(workers * _AHEAD)
        self._open: set[Pending[Any]] = set()
        self._failed: list[Pending[Any]] = []
        self._idle = threading.Condition()

    def takes(self, step: Step[..., Any]) -> bool:
        """Whether a worker process can find a step."""
        return target_of(step) is not None

    def submit(
        self, step: Step[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], position: int
    ) -> Pending[Any]:
        """Start a step as soon as every pending result among its arguments is there."""
        pending: Pending[Any] = Pending(step.name, position)
        with self._idle:
            self._open.add(pending)
        waits = pendings([*args, *kwargs.values()])
        gate = _Gate(len(waits) + 1, lambda: self._coordinator.submit(self._start, pending, step, args, kwargs))
        for each in waits:
            each.future.add_done_callback(lambda _: gate.open())
        gate.open()
        return pending

    def close(self) -> list[Pending[Any]]:
        """Wait for everything, end the workers, and return what failed."""
        with self._idle:
            self._idle.wait_for(lambda: not self._open)
        self._coordinator.shutdown()
        self._executor.close()
        return self._failed

    def abandon(self) -> None:
        """End the workers without waiting for what they do."""
        self._executor.close(wait=False)
        with self._idle:
            unfinished = list(self._open)
        for pending in unfinished:
            pending.future.cancel()
        self._coordinator.shutdown(wait=True, cancel_futures=True)

    # In the coordinating thread.

    def _start(self, pending: Pending[Any], step: Step[..., Any], args: Any, kwargs: Any) -> None:
        try:
            args, kwargs = resolved(args), resolved(kwargs)
            call = self._session.prepare(step, args, kwargs, pending.position)
            found = self._session.look_up(call)
            if found is not None:
                self._finish(pending, found)
                return
            target = target_of(step)
            assert target is not None
            self._hand_out(pending, call, target, args, kwargs)
        except ClewError as error:
            self._fail(pending, error)

    def _hand_out(self, pending: Pending[Any], call: Call, target: Target, args: Any, kwargs: Any) -> None:
        self._slots.acquire()

        def done(future: Future[Attempt]) -> None:
            self._slots.release()
            self._coordinator.submit(self._complete, pending, call, future)

        try:
            future = self._executor.submit(target, args, kwargs, self._session.order(call))
        except (BrokenProcessPool, RuntimeError) as error:
            self._slots.release()
            raise _broken(call.step.name, error) from error
        future.add_done_callback(done)

    def _complete(self, pending: Pending[Any], call: Call, future: Future[Attempt]) -> None:
        try:
            self._finish(pending, self._session.complete(call, future.result()))
        except ClewError as error:
            self._fail(pending, error)
        except BrokenProcessPool as error:
            self._fail(pending, _broken(call.step.name, error))
        except Exception as error:  # noqa: BLE001 - the door between clew and what a worker could not send
            failed = Unavailable(f"step {call.step.name} could not be run in a worker: {error}")
            failed.__cause__ = error
            self._fail(pending, failed)

    def _finish(self, pending: Pending[Any], read: Callable[[], Any]) -> None:
        self._close(pending)
        if pending.future.set_running_or_notify_cancel():
            pending.future.set_result(read)

    def _fail(self, pending: Pending[Any], error: ClewError) -> None:
        self._failed.append(pending)
        self._close(pending)
        if pending.future.set_running_or_notify_cancel():
            pending.future.set_exception(error)

    def _close(self, pending: Pending[Any]) -> None:
        with self._idle:
            self._open.discard(pending)
            self._idle.notify_all()


class _Gate:
    """Runs something once it has been opened so many times."""

    def __init__(self, count: int, then: Callable[[], object]) -> None:
        self._count, self._then = count, then
        self._lock = threading.Lock()

    def open(self) -> None:
        with self._lock:
            self._count -= 1
            last = self._count == 0
        if last:
            self._then()


def _broken(step: str, error: BaseException) -> Unavailable:
    return Unavailable(
        f"step {step} lost its worker process: {error}",
        hint="it was killed (memory?), or the script starts its pipeline while it is imported: put the call under "
        "if __name__ == '__main__':",
    )
