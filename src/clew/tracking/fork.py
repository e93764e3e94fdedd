"""What a run that is forked from another one takes over: its points up to a step."""

from __future__ import annotations

import re

import msgspec

from clew.core.errors import Invalid
from clew.core.types.series import SeriesBlock
from clew.tracking.series import Points, block_of, points_of

__all__ = ["FORK_TAG", "fork_of", "forked", "named_fork"]

FORK_TAG = "clew.fork"
"""Tag of a run that was forked: `RUN@step`."""

_FORM = re.compile(r"(?P<run>.+)@(?P<step>-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)")


def fork_of(text: str) -> tuple[str, float]:
    """Run and step of `RUN@step`.

    Raises:
        Invalid: it has another form.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise Invalid(f"{text!r} names no step of a run", hint="write RUN@step, for example baseline@1000")
    return found["run"], float(found["step"])


def named_fork(of: str, step: float) -> str:
    """`RUN@step`, with every digit of the step."""
    return f"{of}@{int(step) if float(step).is_integer() else step}"


def forked(block: SeriesBlock, run: str, step: float) -> SeriesBlock | None:
    """The part of a block up to a step, as a block of the run; None when there is none.

    It is named by where it came from, so that forking twice adds nothing.
    """
    source = f"{block.run}/{block.source}"
    if block.step_low > step:
        return None
    if block.step_high <= step:
        return msgspec.structs.replace(block, run=run, source=source)
    points = points_of(block)
    kept = points.steps <= step
    part = Points(points.steps[kept], points.times_us[kept], points.values[kept])
    return block_of(run, block.key, source, part)
