"""How many units a trial with `clew.stats.sequential.student` needs, before it starts or while it runs.

By simulation, because when a sequence first crosses zero has no closed form. It plans; it decides nothing.
"""

from __future__ import annotations

import numpy as np

from clew.core.errors import Invalid
from clew.stats.arrays import Floats
from clew.stats.sequential.sequence import check_alpha
from clew.stats.sequential.student import critical_t

__all__ = ["power_by_unit", "units_needed"]


def power_by_unit(
    effect: float,
    *,
    horizon: int,
    rng: np.random.Generator,
    alpha: float = 0.05,
    aim: float = 1.0 / 3.0,
    paths: int = 2000,
) -> Floats:
    """The probability that `lower(alpha)` has been above 0 by each unit, for independent normal units.

    Args:
        effect: the true mean, in standard deviations of a unit.
        horizon: up to how many units.
        rng: the random source.
        alpha: as asked of the sequence.
        aim: of the sequence.
        paths: how many trials to simulate; the standard error is at most 0.5/√paths.

    Returns:
        Shape (horizon,), rising.

    Raises:
        Invalid: an argument is out of range.
    """
    if horizon < 2 or paths < 1 or not np.isfinite(effect):
        raise Invalid(f"horizon = {horizon!r}, paths = {paths!r}, effect = {effect!r} cannot be simulated")
    n = np.arange(1, horizon + 1)
    values = rng.normal(effect, 1.0, (paths, horizon))
    mean = np.cumsum(values, axis=1) / n
    squares = np.maximum(np.cumsum(values**2, axis=1) - n * mean**2, 0.0)
    reach = np.array([critical_t(int(k), check_alpha(alpha), aim) for k in n])
    with np.errstate(invalid="ignore"):
        crossed = mean[:, 1:] >= reach[1:] * np.sqrt(squares[:, 1:] / (n[1:] * (n[1:] - 1)))
    found = np.logical_or.accumulate(crossed, axis=1).mean(axis=0)
    return np.concatenate([[0.0], found])


def units_needed(
    effect: float,
    *,
    horizon: int,
    rng: np.random.Generator,
    power: float = 0.9,
    alpha: float = 0.05,
    aim: float = 1.0 / 3.0,
    paths: int = 2000,
) -> int | None:
    """After how many units the effect is found with this power; None when not within the horizon.

    Args and errors as `power_by_unit`.
    """
    reached = power_by_unit(effect, horizon=horizon, rng=rng, alpha=alpha, aim=aim, paths=paths) >= power
    return int(np.argmax(reached)) + 1 if reached.any() else None
