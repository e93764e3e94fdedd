"""How long requests took, as bars over a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Sequence

from clew.core.numbers import counted
from clew.demo.report.scale import WIDTH
from clew.demo.result import TimeBin

__all__ = ["histogram"]

_HEIGHT = 120
_MARKS_MS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def histogram(bins: Sequence[TimeBin], *, p50_ms: float, p99_ms: float) -> str:
    """The bars as HTML, with the median and the 99th percentile marked; empty without requests."""
    if not bins:
        return ""
    low, high = math.log(bins[0].low_ms), math.log(bins[-1].high_ms)
    most = max(bar.requests for bar in bins)

    def share(at_ms: float) -> float:
        return (math.log(at_ms) - low) / (high - low)

    bars = "".join(
        f'<rect class="count" x="{WIDTH * share(bar.low_ms):.1f}" y="{_HEIGHT * (1 - bar.requests / most):.1f}" '
        f'width="{WIDTH * (share(bar.high_ms) - share(bar.low_ms)) - 1.5:.1f}" '
        f'height="{_HEIGHT * bar.requests / most:.1f}"><title>{bar.low_ms:.2g} to {bar.high_ms:.2g} ms: '
        f"{counted(bar.requests, 'requests')}</title></rect>"
        for bar in bins
    )
    marks = "".join(
        f'<path class="mark upright" d="M{WIDTH * share(at):.1f} 0V{_HEIGHT}"/>'
        for at in (p50_ms, p99_ms)
        if bins[0].low_ms < at < bins[-1].high_ms
    )
    names = "".join(
        f'<span style="left:{100 * share(at):.2f}%">{word}</span>'
        for at, word in ((p50_ms, "median"), (p99_ms, "99 %"))
        if bins[0].low_ms < at < bins[-1].high_ms
    )
    labels = "".join(
        f'<span style="left:{100 * share(at):.2f}%">{at:g}</span>'
        for at in _MARKS_MS
        if bins[0].low_ms <= at <= bins[-1].high_ms
    )
    return (
        f'<div class="times"><div class="over" aria-hidden="true">{names}</div>'
        f'<svg class="plot" viewBox="0 0 1000 {_HEIGHT}" preserveAspectRatio="none" style="height:{_HEIGHT}px" '
        f'role="img"><title>Requests by how long they took</title><desc>Half took at most {p50_ms:.2g} ms, '
        f"99 of 100 at most {p99_ms:.2g} ms.</desc>{bars}{marks}</svg>"
        f'<div class="xlabels centred" aria-hidden="true">{labels}</div></div>'
    )
