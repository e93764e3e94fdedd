"""Steps in worker processes. Started by spawning, so that no lock, thread or connection is copied half way.

What travels: the name of the step, its arguments, and back the encoded result. A worker takes the fingerprint of the
step again and refuses when it differs: it has imported the sources as they are now, the pipeline as they were.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import Any

from clew.core.clock import SystemClock
from clew.core.ids import Digest
from clew.pipelines.arguments import bind
from clew.pipelines.attempt import Attempt, Order, attempt
from clew.pipelines.current import acting
from clew.pipelines.step import Step

__all__ = ["ProcessExecutor", "Target", "target_of"]


@dataclass(frozen=True, slots=True)
class Target:
    """Where another process finds a step, and what its closure has to be there."""

    module: str
    qualname: str
    closure: Digest | None


def target_of(step: Step[..., Any]) -> Target | None:
    """Where another process finds a step; None when it cannot, as with one made in a function or a notebook."""
    module = sys.modules.get(step.__module__)
    if module is None or (step.__module__ == "__main__" and not hasattr(module, "__file__")):
        return None
    qualname = step.__wrapped__.__qualname__
    if _find(module, qualname) is not step:
        return None
    return Target(step.__module__, qualname, step.closure().digest if step.cache else None)


def _find(module: object, qualname: str) -> object:
    found = module
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


class ProcessExecutor:
    """A pool of spawned processes.

    Args:
        workers: how many.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool = ProcessPoolExecutor(workers, get_context("spawn"), _end_with_parent)

    def submit(self, target: Target, args: tuple[Any, ...], kwargs: dict[str, Any], order: Order) -> Future[Attempt]:
        """Run a step in one of the processes."""
        return self._pool.submit(_work, target, args, kwargs, order)

    def close(self, *, wait: bool = True) -> None:
        """End the processes, those that still run something too unless `wait`."""
        running = list((self._pool._processes or {}).values())
        self._pool.shutdown(wait=wait, cancel_futures=not wait)
        if not wait:
            for process in running:
                process.terminate()


def _end_with_parent() -> None:
    """In a worker: end when the pipeline's process is killed, which otherwise leaves it waiting for ever."""
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_wait_and_end, args=(parent.sentinel,), daemon=True).start()


def _wait_and_end(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _work(target: Target, args: tuple[Any, ...], kwargs: dict[str, Any], order: Order) -> Attempt:
    """In a worker: find the step, check that it is the same, run it."""
    now_us: Callable[[], int] = SystemClock().now_us
    step = _find(import_module(target.module), target.qualname)
    if not isinstance(step, Step):
        return Attempt(now_us(), problem=(f"a worker finds no step {target.qualname} in {target.module}", ""))
    closure = step.closure() if target.closure is not None else None
    if closure is not None and closure.digest != target.closure:
        return Attempt(
            now_us(),
            problem=(
                "its code, or a global that it reads, is not the same in a worker process",
                "files changed while the pipeline ran: run it again; or pass what the script sets as an argument",
            ),
        )
    known = closure.ingredients if closure else {}
    arguments = bind(step.signature, args, kwargs, known)
    with acting(None):
        made = attempt(step, arguments, order, known, now_us)
    made.value = None
    if made.failure is not None:
        made.failure.error = None
    return made
