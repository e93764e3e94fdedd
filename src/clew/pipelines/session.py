"""A session: steps that are called in it are looked up, run, kept and recorded.

It joins the parts and holds no rule of its own: keys come from `key.py`, results from `cache.py`, running from
`attempt.py`, the run's record from `record.py`, workers from `scheduler.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clew.core.canonical import digest_of
from clew.core.contracts.services import Services
from clew.core.contracts.stores import Stores
from clew.core.errors import ClewError, Conflict, Failed, Invalid
from clew.core.hashing import hash_bytes
from clew.core.ids import Digest
from clew.core.types.step import StepOutcome, StepOutput, StepRun
from clew.pipelines.arguments import bind
from clew.pipelines.attempt import Attempt, Order, attempt
from clew.pipelines.cache import Results, Stamp, closure_entry
from clew.pipelines.call import Call, Place
from clew.pipelines.codecs import codec_named
from clew.pipelines.current import acting
from clew.pipelines.explain import Reasons
from clew.pipelines.key import step_key
from clew.pipelines.origins import Origins
from clew.pipelines.pending import Pending, resolved
from clew.pipelines.reads import give
from clew.pipelines.record import Record
from clew.pipelines.step import Step
from clew.pipelines.steps import LedgerSteps

if TYPE_CHECKING:
    from clew.pipelines.scheduler import Scheduler

__all__ = ["Session", "place_of", "place_over", "session"]

_log = logging.getLogger("clew.pipelines")
_WATCHED = ("numpy", "polars")
_BLIND = frozenset({"cv2", "deltalake", "duckdb", "h5py", "netCDF4", "pyarrow", "rasterio", "soundfile", "tables"})


class Session:
    """Steps of one run, in one project.

    Args:
        place: where things are kept.
        run: the id of the run that the steps belong to; empty to record none.
        resolve: finds the dataset that a reference names, for pipelines.
        workers: processes that submitted steps run in; 0 to run them here and now.
        listener: is told of each step as it ends.
    """

    def __init__(
        self,
        place: Place,
        *,
        run: str = "",
        resolve: Callable[[str], object] | None = None,
        workers: int = 0,
        listener: Callable[[StepRun], None] | None = None,
    ) -> None:
        self.place, self.run, self.resolve = place, run, resolve
        self._results = Results(place.steps, place.objects)
        self._record = Record(place.steps, run, listener)
        self._reasons = Reasons(place.steps)
        self._origins = Origins()
        self._kept_closures: set[Digest] = set()
        self._failed: list[Pending[Any]] = []
        self._scheduler: Scheduler | None = None
        if workers:
            from clew.pipelines.scheduler import Scheduler

            self._scheduler = Scheduler(self, workers)

    def call(self, step: Step[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of a step: from the cache, or computed here and now.

        Raises:
            Failed: the step's own code raised.
            Invalid: the key cannot be known, or the result cannot be kept.
        """
        args, kwargs = resolved(args), resolved(kwargs)
        call = self.prepare(step, args, kwargs, self._record.position())
        found = self.look_up(call)
        if found is not None:
            return found()
        with acting(None):
            known = call.closure.ingredients if call.closure else {}
            made = attempt(step, call.arguments, self.order(call), known, self.place.clock.now_us)
        return self.complete(call, made)()

    def submit(self, step: Step[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Pending[Any]:
        """Start a step beside others, or run it here and now when there are no workers."""
        if self._scheduler is not None and self._scheduler.takes(step):
            return self._scheduler.submit(step, args, kwargs, self._record.position())
        pending: Pending[Any] = Pending(step.name)
        try:
            value = self.call(step, args, kwargs)
            pending.future.set_result(lambda: value)
        except ClewError as error:
            pending.future.set_exception(error)
            self._failed.append(pending)
        return pending

    def prepare(self, step: Step[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], position: int) -> Call:
        """Bind the arguments of a call and find its key."""
        started_us = self.place.clock.now_us()
        closure = step.closure() if step.cache else None
        try:
            arguments = bind(step.signature, args, kwargs, closure.ingredients if closure else {})
        except TypeError as error:
            raise Invalid(f"step {step.name} cannot be called: {error}", hint=f"it takes {step.signature}") from error
        inputs = self._origins.of(iter(arguments.bound.arguments.values()))
        call = Call(step, arguments, position, started_us, inputs, closure)
        if closure is not None:
            call.key = step_key(closure, arguments, {read.ingredient: give(read) for read in step.reads})
        return call

    def look_up(self, call: Call) -> Callable[[], Any] | None:
        """How to get the result from the cache, None when it is not there. A result found is recorded."""
        if call.key is None:
            return None
        call.trail = trail = self._results.find(call.key.digest)
        data = self._results.readable(trail.entry.output) if trail.entry is not None else None
        if trail.entry is None or data is None:
            return None
        output = trail.entry.output
        reason = f"as in run {trail.entry.run}" if trail.entry.run else ""
        took_us = max(self.place.clock.now_us() - call.started_us, 0)  # the clock may have gone back
        self._add(call, StepOutcome.CACHED, output, took_us, reason)
        return lambda: self._read(call, output.codec, data)

    def order(self, call: Call) -> Order:
        """How to run a call that was not found."""
        closure = call.closure
        reached = closure.distributions if closure else {}
        return Order(
            step=call.step.name,
            seed=digest_of("clew.seed/0", [call.step.name, call.arguments.own()]),
            cache=call.step.cache,
            skipped=(str(self.place.folder.absolute()),),
            root=str(self.place.folder.absolute().parent),
            doors=call.step.doors,
            paths=closure.paths if closure else (),
            libraries=tuple(name for name in _WATCHED if name in reached),
            blind=tuple(sorted(closure.roots & _BLIND)) if closure and not call.step.reads else (),
        )

    def complete(self, call: Call, made: Attempt) -> Callable[[], Any]:
        """Keep and record what an attempt gave, and say how to get its value.

        Raises:
            Failed: the step's own code raised.
            Invalid: the result cannot be kept.
        """
        step = call.step
        if made.failure is not None:
            raise self._failure(call, made)
        if made.problem is not None and (step.cache or made.value is None):
            what, hint = made.problem
            self._add(call, StepOutcome.FAILED, None, made.duration_us, what)
            raise Invalid(f"step {step.name}: {what}", hint=hint)
        if made.data is None:
            self._add(call, StepOutcome.EXECUTED, None, made.duration_us, "not kept: it is declared cache=False")
            return lambda: self._noted(call, made.value)
        self._keep(call, made, made.data)
        if made.value is not None:
            return lambda: self._noted(call, made.value)
        return lambda: self._read(call, made.codec, made.data or b"")

    def reason(self, call: Call) -> str:
        """Why the result of a call was not found, in one line."""
        if call.key is None or call.trail is None:
            return "it is declared cache=False"
        return self._reasons.of(call.step.name, {**call.key.ingredients, **call.trail.reads}, call.closure)

    def abandon(self) -> None:
        """Stop what is running, and write what is known: the same command goes on from there."""
        if self._scheduler is not None:
            self._scheduler.abandon()
        self._record.flush()

    def close(self) -> None:
        """Wait for what was submitted, and write what is waiting.

        Raises:
            Failed: a submitted step failed, and nobody asked for its result.
        """
        failed = [*self._failed, *(self._scheduler.close() if self._scheduler is not None else [])]
        self._record.flush()
        for pending in failed:
            if not pending.asked:
                pending.result()

    def _keep(self, call: Call, made: Attempt, data: bytes) -> None:
        """Store the bytes first, then the rows that name them."""
        for path, digest in made.files.items():
            if self.place.objects.put_file(Path(path)) != digest:
                raise Conflict(f"step {call.step.name}: {path} changed after it was returned", hint="run it again")
        if call.key is None or call.trail is None or made.refusals:
            output = StepOutput(codec=made.codec, digest=hash_bytes(data), size_bytes=len(data))
            reason = f"not kept: {'; '.join(made.refusals) or 'it is declared cache=False'}"
            if made.refusals:
                _log.warning("step %s is not cached: %s", call.step.name, "; ".join(made.refusals))
            self._add(call, StepOutcome.EXECUTED, output, made.duration_us, reason)
            return
        output = self._results.store(made.codec, data)
        stamp = Stamp(self.place.project, self.run, call.step.name, self.place.clock.now_us(), made.duration_us)
        reason = self.reason(call)
        entries = self._results.entries(call.trail, call.key, made.reads, output, stamp)
        if call.closure is not None and call.closure.digest not in self._kept_closures:
            entries.insert(0, closure_entry(call.closure, stamp))
            self._kept_closures.add(call.closure.digest)
        self._add(call, StepOutcome.EXECUTED, output, made.duration_us, reason, entries)

    def _add(
        self,
        call: Call,
        outcome: StepOutcome,
        output: StepOutput | None,
        duration_us: int,
        reason: str,
        entries: Any = (),
    ) -> None:
        done = StepRun(
            run=self.run,
            position=call.position,
            step=call.step.name,
            key=call.trail.key if call.trail else Digest(""),
            outcome=outcome,
            output=output.digest if output else Digest(""),
            started_us=call.started_us,
            duration_us=duration_us,
            inputs=call.inputs,
            reason=reason,
        )
        self._record.add(done, entries)

    def _failure(self, call: Call, made: Attempt) -> Failed:
        failure = made.failure
        assert failure is not None
        name = f"{call.step.name}({call.arguments.text()})"
        self._add(call, StepOutcome.FAILED, None, made.duration_us, f"{failure.kind}: {failure.message}")
        self._record.flush()
        failed = Failed(f"step {name} raised {failure.kind}: {failure.message}")
        failed.__cause__ = failure.error or RemoteTraceback(failure.text)
        return failed

    def _read(self, call: Call, codec: str, data: bytes) -> Any:
        own = call.step.codec
        used = own if own is not None and own.name == codec else codec_named(codec)
        return self._noted(call, used.decode(data, self.place.objects))

    def _noted(self, call: Call, value: Any) -> Any:
        self._origins.note(value, call.position)
        return value


class RemoteTraceback(Exception):
    """The traceback of an exception that was raised in a worker process, as text."""

    def __init__(self, text: str) -> None:
        super().__init__(f"\n{text}")


def place_of(stores: Stores) -> Place:
    """Where a session keeps things, in place over a project's stores."""
    return Place(
        steps=LedgerSteps(stores),
        objects=stores.objects,
        project=stores.project,
        clock=stores.clock,
        folder=stores.folder,
    )


def place_over(project: Services) -> Place:
    """Where a session keeps things, over a project's services."""
    return Place(
        steps=project.steps,
        objects=project.objects,
        project=project.project,
        clock=project.clock,
        folder=project.folder,
    )


@contextmanager
def session(
    where: Stores | Place,
    run: str = "",
    *,
    resolve: Callable[[str], object] | None = None,
    workers: int = 0,
    listener: Callable[[StepRun], None] | None = None,
) -> Iterator[Session]:
    """Have steps act on a project within the block, as steps of a run.

    Args:
        where: the stores of the project, or its services.
        run: the id of the run; empty to record none.
        resolve: finds the dataset that a reference names.
        workers: processes that submitted steps run in; 0 to run them here and now.
        listener: is told of each step as it ends.
    """
    place = where if isinstance(where, Place) else place_of(where)
    opened = Session(place, run=run, resolve=resolve, workers=workers, listener=listener)
    with acting(opened):
        try:
            yield opened
        except BaseException:
            opened.abandon()
            raise
        opened.close()
