"""What a run looks like after something more was said of it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from clew.core.errors import Conflict
from clew.core.ids import Digest
from clew.core.types.run import Run, RunStatus, Scalar

__all__ = ["check_running", "described"]


def described(
    run: Run,
    *,
    params: Mapping[str, Scalar] | None = None,
    tags: Mapping[str, str] | None = None,
    capture: Mapping[str, Digest] | None = None,
    commit: str | None = None,
    name: str | None = None,
) -> Run:
    """The run with more said of it.

    Raises:
        Conflict: a parameter has another value already, or the run has ended and more than name or tags would change.
    """
    after = msgspec.structs.replace(
        run,
        params=_merged(run, params or {}),
        tags={**run.tags, **(tags or {})},
        capture={**run.capture, **(capture or {})},
        commit=run.commit if commit is None else commit,
        name=run.name if name is None else name,
    )
    if (after.params, after.capture, after.commit) != (run.params, run.capture, run.commit):
        check_running(run)
    return after


def check_running(run: Run) -> None:
    """Raise `Conflict` where the run has ended."""
    if run.status is not RunStatus.RUNNING:
        raise Conflict(f"run {run.name} ({run.id}) has ended: it is {run.status}", hint="start a new run")


def _merged(run: Run, params: Mapping[str, Scalar]) -> dict[str, Scalar]:
    for key, value in params.items():
        there = run.params.get(key, value)
        if there != value or type(there) is not type(value):
            raise Conflict(
                f"parameter {key!r} of run {run.name} is {there!r} already and cannot become {value!r}",
                hint="log what changes as a metric, or start a nested run",
            )
    return {**run.params, **params}
