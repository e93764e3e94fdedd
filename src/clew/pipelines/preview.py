"""What a pipeline would do now, without doing it: its steps are looked up, and the first that would run ends it.

What comes behind that step depends on what it would give, so it is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from clew.core.contracts.services import Services
from clew.core.ids import Digest
from clew.core.types.step import StepOutcome, StepRun
from clew.pipelines.current import acting
from clew.pipelines.explain import Explanation
from clew.pipelines.pending import resolved
from clew.pipelines.pipeline import Pipeline
from clew.pipelines.session import Session, place_over
from clew.pipelines.step import Step

__all__ = ["preview"]


class _WouldRun(BaseException):
    """Ends a preview; no `except Exception` of a pipeline holds it up."""

    def __init__(self, told: Explanation) -> None:
        self.told = told


class _Preview(Session):
    """A session that runs and records nothing."""

    def call(self, step: Step[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call = self.prepare(step, resolved(args), resolved(kwargs), self._record.position())
        found = self.look_up(call)
        if found is not None:
            return found()
        told = Explanation(
            step=step.name,
            run="",
            position=call.position,
            outcome=StepOutcome.EXECUTED,
            key=call.trail.key if call.trail else Digest(""),
            reason=self.reason(call),
            ingredients=call.ingredients(),
        )
        raise _WouldRun(told)


def preview(
    project: Services,
    pipeline: Pipeline[..., Any],
    params: Mapping[str, Any],
    *,
    resolve: Callable[[str], object] | None = None,
) -> list[Explanation]:
    """The steps of a pipeline up to the first that would run, which is the last of the list.

    Args:
        project: whose steps they are.
        pipeline: what to look at; its own code between the steps does run.
        params: its arguments by name.
        resolve: finds the dataset that a reference names.

    Raises:
        Invalid: a parameter is missing or unknown, or a key cannot be known.
    """
    told: list[StepRun] = []
    session = _Preview(place_over(project), resolve=resolve, listener=told.append)
    last: list[Explanation] = []
    with acting(session):
        try:
            Pipeline.run(pipeline, **params)
        except _WouldRun as stopped:
            last.append(stopped.told)
    return [_found(step) for step in told] + last


def _found(done: StepRun) -> Explanation:
    return Explanation(
        step=done.step,
        run="",
        position=done.position,
        outcome=done.outcome,
        key=done.key,
        reason=done.reason,
    )
