"""How many units a trial with `clew.stats.sequential.student` needs, before it starts or while it runs.

By simulation, because when a sequence first crosses zero has no closed form. It plans; it decides nothing.
"""

from __future__ import annotations

import numpy as np

from clew.core.errors import Invalid
from clew.stats.arrays import Floats
from clew.stats.sequential.sequence import check_alpha
from clew.stats.sequential.student import HELPFUL, MOST_ALIKE, critical_t

__all__ = ["lower_bounds", "power_by_unit", "units_needed"]


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
    bounds = lower_bounds(rng.normal(effect, 1.0, (paths, horizon)), alpha=alpha, aim=aim)
    return np.asarray(np.logical_or.accumulate(bounds > 0.0, axis=1).mean(axis=0))


def lower_bounds(values: Floats, *, alpha: float = 0.05, aim: float = 1.0 / 3.0) -> Floats:
    """What `StudentSequence.lower(alpha)` says after each unit of many trials at once.

    Args:
        values: shape (paths, units), at least two units.
        alpha: as asked of the sequence.
        aim: of the sequence.

    Returns:
        Shape (paths, units); -∞ while there are too few.
    """
    n = np.arange(1, values.shape[1] + 1)
    t = np.array([critical_t(int(k), check_alpha(alpha), aim) for k in n])
    x = values - values[:, :1]
    mean, square, cube = (np.cumsum(x**power, axis=1) / n for power in (1, 2, 3))
    squares = np.maximum(n * (square - mean**2), 0.0)
    cubes = n * (cube - 3.0 * mean * square + 2.0 * mean**3)
    products = np.cumsum(x * np.concatenate([x[:, :1], x[:, :-1]], axis=1), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        alike = (products + mean * x - (n + 1) * mean**2) / squares
        alike = np.clip(alike + (1.0 + 3.0 * alike) / n, 0.0, MOST_ALIKE)
        error = np.sqrt(squares / (n * (n - 1)) * (1.0 + alike) / (1.0 - alike))
        skewness = cubes * n * np.sqrt(n - 1) / ((n - 2) * squares**1.5)
        lean = -skewness / (6.0 * np.sqrt(n))
        lean = np.where(lean > 0.0, lean, HELPFUL * lean)
        bounds = values[:, :1] + mean - np.maximum(0.5 * t, t + lean * (1.0 + 2.0 * t * t)) * error
    return np.where(np.isfinite(t), bounds, -np.inf)


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
