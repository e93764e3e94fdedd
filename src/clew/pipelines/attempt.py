"""Running a step's function once: watched, seeded, its result encoded, its failure caught with its traceback.

Runs in the pipeline's process and in worker processes alike; knows nothing of the ledger.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import Any, Protocol

from clew.core.errors import ClewError
from clew.core.hashing import hash_file
from clew.core.ids import Digest
from clew.pipelines.arguments import Arguments
from clew.pipelines.closure import Closure
from clew.pipelines.codecs import Codec, find_codec
from clew.pipelines.reads import Read
from clew.pipelines.seeds import seeded
from clew.pipelines.watch import Watch

__all__ = ["Attempt", "Failure", "Order", "attempt"]


class Runnable(Protocol):
    """What of a step is run."""

    __wrapped__: FunctionType
    codec: Codec | None

    def closure(self) -> Closure:
        """Its code and everything that it reaches, as it is now."""
        ...


@dataclass(frozen=True, slots=True)
class Order:
    """How to run: everything but the function and its arguments.

    `paths` are constant texts that may name files which native code opens; `libraries` are modules that the step
    reaches, imported before it starts so that they are watched and seeded; `blind` are those that read files unseen.
    """

    step: str
    seed: Digest
    cache: bool
    skipped: tuple[str, ...]
    root: str
    doors: frozenset[str]
    paths: tuple[str, ...]
    libraries: tuple[str, ...]
    blind: tuple[str, ...]


@dataclass(slots=True)
class Failure:
    """What the step's own code raised; `error` only where it happened."""

    kind: str
    message: str
    text: str
    error: BaseException | None = None


@dataclass(slots=True)
class Attempt:
    """What came of it.

    `files` are whole files that the output names by digest, still to be stored. `refusals` are reasons not to keep the
    result, `problem` is a reason not to accept it: what, and what to do about it.
    """

    started_us: int
    duration_us: int = 0
    codec: str = ""
    data: bytes | None = None
    files: dict[str, Digest] = field(default_factory=dict)
    reads: dict[Read, str] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    failure: Failure | None = None
    problem: tuple[str, str] | None = None
    value: Any = None


def attempt(
    step: Runnable, arguments: Arguments, order: Order, known: Mapping[str, str], now_us: Callable[[], int]
) -> Attempt:
    """Run a function once.

    Args:
        step: the function of the step, and the codec of its result if it brings one.
        arguments: what to call it with.
        order: how.
        known: the ingredients of the step's closure.
        now_us: the time, in microseconds since 1970 UTC.
    """
    made = Attempt(started_us=now_us())
    for library in order.libraries:
        with contextlib.suppress(ImportError):
            importlib.import_module(library)
    watch = Watch(skipped=order.skipped, root=order.root, doors=order.doors)
    before = time.perf_counter_ns()
    with seeded(order.seed), watch:
        _expect(watch, arguments, order)
        try:
            made.value = step.__wrapped__(*arguments.bound.args, **arguments.bound.kwargs)
        except Exception as error:  # noqa: BLE001 - the door between clew and the user's code
            made.failure = _failure(error)
    made.duration_us = (time.perf_counter_ns() - before) // 1000
    if made.failure is None:
        _finish(made, arguments, order, step.codec)
        if order.cache and made.problem is None:
            for library in order.blind:
                watch.goes_through("native", f"uses {library}, which reads files unseen, and declares no inputs")
            made.refusals = watch.refusals(made.files, known) + _changes(step, known)
            made.reads = watch.reads()
    return made


def _expect(watch: Watch, arguments: Arguments, order: Order) -> None:
    """Files that are named in the open may be opened by native code, which nobody sees."""
    for path in (*arguments.texts, *order.paths):
        if os.path.isfile(path):  # noqa: PTH113
            watch.names(path)
    for path in arguments.paths:
        watch.names(path)


def _failure(error: Exception) -> Failure:
    text = "".join(traceback.format_exception(error))
    return Failure(type(error).__name__, str(error), text, error)


def _changes(step: Runnable, known: Mapping[str, str]) -> list[str]:
    """What the step changed of what it reaches: another step, or the next call, would find it changed."""
    try:
        now = step.closure().ingredients
    except ClewError as error:
        return [f"afterwards {error.what}"]
    changed = sorted(name for name in known.keys() | now.keys() if known.get(name) != now.get(name))
    return [
        f"it changes {name}, which a cached run would not; pass that as an argument, or declare ignores=[…]"
        for name in changed[:1]
    ]


def _finish(made: Attempt, arguments: Arguments, order: Order, codec: Codec | None) -> None:
    """Encode the result, and look whether the arguments are what they were."""
    noted = _Noted()
    try:
        used = codec or find_codec(made.value)
        made.codec, made.data = used.name, used.encode(made.value, noted)
    except ClewError as error:
        made.problem = (error.what, error.hint)
        return
    made.files = noted.files
    changed = arguments.changed() if order.cache else []
    if changed:
        made.problem = (
            f"it changes its argument {changed[0]} in place, which a cached run would not",
            "work on a copy (frame.clone(), array.copy(), sklearn.base.clone(model)) or declare cache=False",
        )


class _Noted:
    """Files of an output, hashed now and stored later by whoever has the store."""

    def __init__(self) -> None:
        self.files: dict[str, Digest] = {}

    def put_file(self, path: Path) -> Digest:
        digest = self.files[str(path)] = hash_file(path)
        return digest

    def save(self, digest: Digest, path: Path) -> None:
        raise NotImplementedError(f"{digest} to {path}: an attempt reads nothing back")
