"""Which run a callback logs to."""

from __future__ import annotations

from collections.abc import Mapping

from clew.core.errors import Invalid
from clew.tracking.params import flat_params
from clew.tracking.run import ActiveRun, current_run
from clew.tracking.start import start

__all__ = ["new_params", "run_of", "start_below"]


def run_of(given: ActiveRun | None, who: str) -> ActiveRun:
    """The run that was given, or the one whose `with` block this is.

    Raises:
        Invalid: there is none.
    """
    found = given or current_run()
    if found is None:
        raise Invalid(f"{who} has no run to log to", hint="call it within `with clew.run(…):`, or give it run=")
    return found


def new_params(run: ActiveRun, params: Mapping[str, object], *, prefix: str = "") -> None:
    """Record parameters that the run does not have yet: what the user has said stands."""
    flat = flat_params(params, prefix=prefix)
    known = run.params()
    run.params({name: value for name, value in flat.items() if name not in known})


def start_below(parent: ActiveRun, name: str, *, params: Mapping[str, object], tags: Mapping[str, str]) -> ActiveRun:
    """Start a run below another one, where that one is, in its experiment; it records nothing of the machine."""
    return start(
        parent.recorder,
        name,
        params=params,
        tags=tags,
        experiment=parent.experiment,
        parent=parent.id,
        capture=False,
    )
